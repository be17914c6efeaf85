#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

struct ProduceBenchmarkOptions {
  std::string setting = "all";  // a setting's name, or "all"
  uint64_t images = 1024;       // that are labelled in each round
  uint32_t rounds = 3;
  uint32_t batch_size = 32;
  std::vector<uint64_t> memory_samples = {10'000, 1'000'000};  // datasets whose labelling's memory is compared
};

struct ProduceRow {
  std::string setting;
  double labels_per_second = 0;
  std::optional<double> forward_labels_per_second;  // of the bare loop: the same views and batches, nothing kept
  std::optional<double> ratio_to_forward;           // ours / the bare loop's, median of the rounds
  std::optional<double> tinyvit_labels_per_second;  // of TinyViT's way in PyTorch
  std::optional<double> ratio_to_tinyvit;
  std::optional<double> bytes_per_label;  // of chunk records; of `memory_...`, of all files of the store
  std::optional<double> tinyvit_bytes_per_label;
  uint64_t peak_rss_bytes = 0;  // of the process that labelled
};
nlohmann::ordered_json ToJson(const ProduceRow& row);

// Measures labelling with a ViT-Tiny teacher of 224 x 224 pixels, on two threads that run it and one that renders:
// `c1000_k10` and `c21841_k100` from JPEG images in tar shards against the bare loop; `..._views` from views that were
// rendered before, against TinyViT's way in PyTorch; `memory_<samples>` small images and a linear teacher. Needs
// /usr/bin/python3 with PyTorch and PIL: kUnavailable. `program` is the path of `decant`.
std::vector<ProduceRow> RunProduceBenchmark(const std::string& program, const ProduceBenchmarkOptions& options,
                                            const std::function<void(const std::string&)>& progress);

}  // namespace decant
