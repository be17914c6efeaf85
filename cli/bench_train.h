#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

struct TrainBenchmarkOptions {
  uint32_t epochs = 20;
  uint32_t seeds = 5;
};

// Students of the handwritten digits, each trained twice, from a store and with the teacher beside it: the same
// network, views, steps and seeds, in processes of their own, one after the other.
struct TrainBenchmarkReport {
  double label_seconds = 0;
  std::vector<double> store_seconds, teacher_seconds;    // of the steps, [seeds]
  std::vector<double> store_accuracy, teacher_accuracy;  // [seeds]
  double store_peak_bytes = 0, teacher_peak_bytes = 0;   // medians
};

// Rows: `training` with both ways' figures, then `cost_of_<n>_students`: seconds of labelling once and training n from
// the store, against training n with the teacher beside each.
nlohmann::ordered_json ToJson(const TrainBenchmarkReport& report);

// `program` is the path of `decant`.
TrainBenchmarkReport RunTrainBenchmark(const std::string& program, const TrainBenchmarkOptions& options,
                                       const std::function<void(const std::string&)>& progress);

}  // namespace decant
