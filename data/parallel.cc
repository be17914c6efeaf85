#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace decant {

void ParallelFor(uint64_t count, unsigned num_threads, const std::function<void(uint64_t)>& work,
                 const std::function<void(uint64_t, uint64_t)>& progress) {
  constexpr uint64_t kProgressEvery = 1024;
  if (num_threads == 0) num_threads = std::max(1u, std::thread::hardware_concurrency());
  num_threads = static_cast<unsigned>(std::min<uint64_t>(num_threads, std::max<uint64_t>(count, 1)));
  std::atomic<uint64_t> next = 0;
  std::mutex mutex;
  uint64_t num_done = 0;
  std::exception_ptr error;
  const auto run = [&] {
    uint64_t unreported = 0;
    const auto report = [&] {
      const std::lock_guard lock(mutex);
      num_done += unreported;
      unreported = 0;
      if (progress && !error) progress(num_done, count);
    };
    try {
      for (uint64_t index = next++; index < count; index = next++) {
        work(index);
        if (++unreported == kProgressEvery) report();
      }
      report();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < num_threads; ++i) threads.emplace_back(run);
    run();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace decant
