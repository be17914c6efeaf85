#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

struct SelectBenchmarkOptions {
  std::string setting = "all";  // one of CodecSettings(), or "all"
  uint64_t seed = 1;            // of the synthetic teachers
  size_t num_rows = 0;          // rows of logits; 0: as many as make 100 to 150 MB
  std::string directory;        // where a folder of its own is made, and removed at the end; empty: the system's
};

// What a label costs beyond the teacher's forward pass, by one thread.
struct SelectRow {
  std::string setting;
  size_t num_rows = 0;
  double labels_per_second = 0;       // all three steps
  double microseconds_per_label = 0;  // all three steps
  double select_microseconds = 0;     // the k likeliest classes, their log-probabilities, the tail mass
  double encode_microseconds = 0;     // quantised, and packed into chunks
  double write_microseconds = 0;      // what a span's file takes beyond that, without waiting for the disk
  // A softmax with std::exp in double precision and std::partial_sort of the ids.
  double partial_sort_microseconds = 0;
  // torch.softmax, torch.topk, and the conversion to int32 and float16; empty without PyTorch.
  std::optional<double> torch_microseconds;
  std::optional<double> ratio_to_torch;  // torch / (select + encode), the median over the rounds
  std::string note;
};

// Measures rows of the synthetic teachers' logits in rounds, in each of which every figure is taken once: processor
// time, the median over the rounds. kInvalidArgument for a setting that is not there.
std::vector<SelectRow> RunSelectBenchmark(const SelectBenchmarkOptions& options,
                                          const std::function<void(const std::string&)>& progress);

// The fields by name; null where a figure does not apply.
nlohmann::ordered_json ToJson(const SelectRow& row);

}  // namespace decant
