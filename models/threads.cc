#include "decant/models/threads.h"

#include <dlfcn.h>
#include <torch/torch.h>

namespace decant {
namespace {

// OpenBLAS keeps a pool of its own, which LibTorch does not know.
struct OpenBlas {
  using GetThreads = int (*)();
  using SetThreads = void (*)(int);
  GetThreads get = reinterpret_cast<GetThreads>(::dlsym(RTLD_DEFAULT, "openblas_get_num_threads"));
  SetThreads set = reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
};

}  // namespace

// The first question of a thread also gives OpenMP, whose number belongs to the thread, the number that was set last.
void SetIntraOpThreads(int num_threads) {
  if (at::get_num_threads() != num_threads) at::set_num_threads(num_threads);
  static const OpenBlas blas;
  if (blas.get && blas.set && blas.get() != num_threads) blas.set(num_threads);
}

}  // namespace decant
