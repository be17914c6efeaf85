#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "decant/base/trace.h"

namespace decant {

// Nanoseconds that the threads of a labeller have spent, added over them.
struct StageTimes {
  std::atomic<uint64_t> render = 0;
  std::atomic<uint64_t> forward = 0;
  std::atomic<uint64_t> encode = 0;
  std::atomic<uint64_t> write = 0;
  std::atomic<uint64_t> num_labels = 0;  // encoded
};

// Adds what the scope takes to one of them, and to a trace, if there is one.
class StageScope {
 public:
  StageScope(Trace* trace, std::atomic<uint64_t>* sum, const char* name, uint64_t items)
      : trace_(trace, name, items), sum_(sum), begin_(std::chrono::steady_clock::now()) {}
  ~StageScope() {
    *sum_ += static_cast<uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin_).count());
  }
  StageScope(const StageScope&) = delete;
  StageScope& operator=(const StageScope&) = delete;

 private:
  const TraceScope trace_;
  std::atomic<uint64_t>* const sum_;
  const std::chrono::steady_clock::time_point begin_;
};

}  // namespace decant
