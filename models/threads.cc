#include "decant/models/threads.h"

#include <dlfcn.h>
#include <torch/torch.h>

namespace decant {

void SetIntraOpThreads(int num_threads) {
  at::set_num_threads(num_threads);
  // OpenBLAS keeps a pool of its own, which LibTorch does not know.
  using SetThreads = void (*)(int);
  if (const auto set_threads = reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
    set_threads(num_threads);
  }
}

}  // namespace decant
