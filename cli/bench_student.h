#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

struct StudentBenchmarkOptions {
  std::string setting = "all";  // the beginning of a row's setting, or "all"
  uint32_t rounds = 9;          // of ours and the reference, in turn
  uint64_t labels = 1 << 18;    // of the stream's store
  std::string directory;        // where it is written, and removed; empty: the system's
};

// A rate beside that of a named reference, measured in turn with it in one process: medians of the rounds.
struct RateRow {
  std::string setting;
  std::string unit;
  double rate = 0;
  std::string reference;
  double reference_rate = 0;
  double ratio = 0;  // rate / reference_rate, median of the rounds' ratios
};
nlohmann::ordered_json ToJson(const RateRow& row);

using ProgressFunction = std::function<void(const std::string&)>;

// Reading a store: labels a second and core of threads that read, decode and hand out, beside decoding records that are
// in memory (`c1000_k10`, `c21841_k100`); a student's steps with a stream beside the same steps with labels in memory
// (`step_...`). With the setting `memory` alone: what streaming a store adds to the process's memory.
std::vector<RateRow> RunStreamBenchmark(const StudentBenchmarkOptions& options, const ProgressFunction& progress);
// Dense targets, 1,024 labels of 1,000 and 21,841 classes, in bytes a second: beside memset() of the same buffer, and
// LibTorch's repeat() and scatter_() into a buffer that is used again and into a fresh one.
std::vector<RateRow> RunDensifyBenchmark(const StudentBenchmarkOptions& options, const ProgressFunction& progress);
// The loss and its gradient by 1,024 rows of logits, in rows a second on one thread: beside log_softmax() and a product
// with dense targets that are there already, and beside the memory traffic alone (`..._limit`).
std::vector<RateRow> RunLossBenchmark(const StudentBenchmarkOptions& options, const ProgressFunction& progress);

}  // namespace decant
