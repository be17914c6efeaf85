#pragma once

namespace decant {

// Sets the threads that one tensor operation of the calling thread uses, in LibTorch and in the BLAS behind it, and
// that those of threads use which never call it. Results differ between numbers of threads in the last bits. Cheap when
// nothing changes; threads that compute at the same time must give the same number, because OpenBLAS has one number for
// the whole process.
void SetIntraOpThreads(int num_threads);

}  // namespace decant
