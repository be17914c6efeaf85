#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "decant/store/soft_label.h"

namespace decant {

// Turns rows of logits into soft labels: the k classes with the largest logits (of equal ones the smaller id), their
// log-probabilities log softmax(logits / temperature), and the mass of all other classes, which is summed itself and
// therefore never negative. Sums are double precision, in the order of the classes. Not thread-safe (re-uses memory).
class TopKSelector {
 public:
  // kInvalidArgument unless 1 <= k <= num_classes and temperature > 0.
  TopKSelector(uint32_t num_classes, uint32_t k, double temperature);

  // Appends the label of one row, [num_classes] finite values. kInvalidArgument for NaN or infinity, naming the class.
  void Append(std::span<const float> logits, LabelBatch* labels);

 private:
  uint32_t num_classes_;
  uint32_t k_;
  double temperature_;
  std::vector<uint32_t> candidates_;  // [num_classes]
  std::vector<double> exponentials_;  // [num_classes]
  std::vector<float> log_probs_;      // [k]
};

}  // namespace decant
