#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "decant/store/schema.h"
#include "decant/store/soft_label.h"

namespace decant {

// The view that a row of logits is for.
struct SelectedView {
  uint32_t epoch = 0;
  uint64_t sample_id = 0;
  uint32_t true_class = 0;
  uint32_t position = 0;  // of the token in its window, below 2^18
};

// A row of which the k likeliest classes were found elsewhere, on an accelerator for instance. T is the number of
// temperatures.
struct RankedRow {
  std::span<const uint32_t> ids;        // [k] in any order
  std::span<const float> logits;        // [k]
  std::span<const double> log_sum_exp;  // [T] of all logits / temperature
  std::span<const double> tail_mass;    // [T] of the classes that are not among the ids
  float true_logit = 0;                 // of the true class; read when the labels have its log-probability
};

// Turns rows of logits into soft labels: which classes are listed, their log-probabilities log softmax(logits / T) at
// the first temperature T, and the mass of all other classes, which is summed itself and therefore never negative: it
// is right to a relative error of 1e-5 down to 1e-12, and 0 below 1e-38. Exponentials are float32, sums double, in an
// order that does not depend on the processor: the same logits give the same bits everywhere. Not thread-safe (re-uses
// memory).
//
// By sampling, every class is listed with the probability min(1, p / t), with the threshold t that makes k of them on
// average, and is given the probability max(p, t): unbiased, with the least variance that k classes allow (threshold
// or VarOpt sampling: Cohen et al., SIAM J. Comput. 40, 2011). Exactly k are drawn, by systematic sampling in the order
// of the ids, with one random number of (seed, epoch, sample id, position). The listed probabilities then sum to 1: no
// tail.
class LabelSelector {
 public:
  // kInvalidArgument unless 1 <= k <= num_classes and the temperatures are at least 1e-12 and below 1e6.
  LabelSelector(const CodecParams& params, const Selection& selection, uint64_t seed);
  ~LabelSelector();
  LabelSelector(LabelSelector&&) noexcept;
  LabelSelector& operator=(LabelSelector&&) noexcept;

  // Appends the label of one row, [num_classes] finite values, with the columns that the parameters name.
  // kInvalidArgument for NaN or infinity, naming the class.
  void Append(std::span<const float> logits, const SelectedView& view, LabelBatch* labels);
  // The same from the k likeliest classes, up to rounding. kInvalidArgument for labels by sampling, which need all
  // logits, and for a row that cannot be: other than k different ids below num_classes, numbers that are not finite, a
  // tail outside [0, 1].
  void AppendRanked(const RankedRow& row, const SelectedView& view, LabelBatch* labels);

  const CodecParams& params() const;
  const Selection& selection() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The k likeliest classes at one temperature; of equal ones the smaller id.
class TopKSelector {
 public:
  TopKSelector(uint32_t num_classes, uint32_t k, double temperature)
      : selector_({.num_classes = num_classes, .k = k, .temperatures = {temperature}}, {}, 0) {}
  void Append(std::span<const float> logits, LabelBatch* labels) { selector_.Append(logits, {}, labels); }

 private:
  LabelSelector selector_;
};

}  // namespace decant
