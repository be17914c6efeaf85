#pragma once

namespace decant {

// Sets the threads that one tensor operation of this process uses, in LibTorch and in the BLAS behind it. Call it
// before the first operation. Results differ between thread counts in the last bits.
void SetIntraOpThreads(int num_threads);

}  // namespace decant
