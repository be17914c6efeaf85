#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "decant/consumer/tail_rule.h"

namespace decant {

// What a row of student logits is compared with: a soft label, true classes, or both.
struct RowTarget {
  std::span<const int64_t> ids;      // [k] the classes that the soft label lists, each once
  std::span<const float> probs;      // [k] their probabilities
  float tail = 0;                    // of the other classes
  std::span<const int64_t> classes;  // [m] hard targets
  std::span<const float> shares;     // [m] of each; their sum is 1
};

// L(z) = soft_weight S(z / T) + hard_weight H(z) for the logits z [C] of one row, where
//   S(x) = -sum_j t_j log softmax(x)_j, t the soft label and its tail by `tail`
//   H(z) = -sum_j h_j log softmax(z)_j, h_j = (1 - e) shares_j + e / C, e = label_smoothing (Szegedy et al., CVPR 2016)
// With `tail` kGhost, S has one more term: -tail_mass log(1 - sum_S softmax(x)). With `divergence`, S is less by the
// entropy of its target: the forward Kullback-Leibler divergence. A label that lists all classes has no tail.
struct RowLossOptions {
  TailRule tail = TailRule::kUniform;
  double temperature = 1;
  double soft_weight = 1;
  double hard_weight = 0;
  double label_smoothing = 0;
  bool divergence = false;
};

// What the gradient needs of the value's pass.
struct RowSums {
  double largest = 0;           // logit
  double total = 0;             // sum_j exp((z_j - largest) / T)
  double hard_total = 0;        // the same at T = 1
  double unlisted_largest = 0;  // kGhost: of the classes that are not listed
  double unlisted_total = 0;    // sum over those of exp((z_j - unlisted_largest) / T)
};

// The loss of one row, in one pass over its memory; equal to the dense formula up to float32 rounding of the terms,
// relative to the row's largest logit. Logits that are not finite give a loss that is not. Thread-safe.
double RowLoss(std::span<const float> logits, const RowTarget& target, const RowLossOptions& options, RowSums* sums);

// Writes `scale` times the gradient of RowLoss() by the logits, [C], from its sums: one pass that reads the logits and
// writes the gradient. Thread-safe.
void RowLossGradient(std::span<const float> logits, const RowTarget& target, const RowLossOptions& options,
                     const RowSums& sums, double scale, float* gradient);

}  // namespace decant
