#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decant {

struct SampledClasses {
  std::vector<uint32_t> ids;  // ascending
  std::vector<double> probs;  // that each stands for
};

// Lists k of the classes, fewer where fewer have a probability, by systematic sampling in the order of the ids.
// `probs`, [num_classes], sum to 1; `ranked` are the k likeliest, most likely first; `offset` is uniform in [0, 1).
SampledClasses SampleByThreshold(std::span<const double> probs, std::span<const uint32_t> ranked, double offset);

}  // namespace decant
