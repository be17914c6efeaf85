#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "decant/store/soft_label.h"

namespace decant {

struct RandomLabelOptions {
  size_t num_labels = 16;
  uint32_t num_classes = 10;
  uint32_t k = 3;
  double spread = 2;             // of the logits: 0 gives uniform labels, 20 very confident ones
  bool variable_counts = false;  // 1 to k entries instead of k
  uint64_t seed = 1;
};

// Labels as a teacher gives them: softmax of random logits, the top entries and the rest as tail.
inline LabelBatch RandomLabels(const RandomLabelOptions& options) {
  std::mt19937_64 bits(options.seed);
  const auto uniform = [&] { return static_cast<double>(bits() >> 11) * 0x1p-53; };
  LabelBatch labels;
  std::vector<double> probs(options.num_classes);
  std::vector<uint32_t> ids(options.num_classes);
  for (size_t i = 0; i < options.num_labels; ++i) {
    for (double& p : probs) p = std::exp(options.spread * (uniform() + uniform() + uniform() - 1.5));
    const double total = std::accumulate(probs.begin(), probs.end(), 0.0);
    std::iota(ids.begin(), ids.end(), 0);
    std::sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) { return probs[a] > probs[b]; });
    const uint32_t count = options.variable_counts ? 1 + static_cast<uint32_t>(bits() % options.k) : options.k;
    double tail = 0;
    for (uint32_t rank = count; rank < options.num_classes; ++rank) tail += probs[ids[rank]];
    std::sort(ids.begin(), ids.begin() + count);
    std::vector<float> log_probs;
    for (uint32_t entry = 0; entry < count; ++entry) {
      log_probs.push_back(static_cast<float>(std::min(0.0, std::log(probs[ids[entry]] / total))));
    }
    labels.Append(std::span(ids).first(count), log_probs, static_cast<float>(tail / total));
  }
  return labels;
}

}  // namespace decant
