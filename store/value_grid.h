#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decant/store/codec_params.h"

namespace decant {

// What the value codes of a store stand for, code by code. Immutable.
class ValueGrid {
 public:
  // kInvalidArgument when the steps are out of range.
  explicit ValueGrid(const CodecParams& params);

  // The number that `code` stands for: a log-probability, or a logit. -infinity for a float16 probability of 0.
  double Number(uint16_t code) const { return numbers_[code]; }
  // The code of the nearest number.
  uint16_t Code(double number) const;
  // Code(log_probs[i]) for each, not for logits.
  void RoundLogProbs(std::span<const float> log_probs, uint16_t* codes) const;
  // exp(Number(code)) in units of 2^-40; for logits always 0. Whole numbers, so that sums do not depend on their order.
  uint64_t Mass(uint16_t code) const { return masses_[code]; }

  // Both as arrays, [65536].
  const double* numbers() const { return numbers_.data(); }
  const uint64_t* masses() const { return masses_.data(); }

  static constexpr double kMassUnit = 0x1p-40;

 private:
  uint16_t LogProbCode(double log_prob) const;

  Values values_;
  double inverse_delta_;
  bool graded_;
  std::vector<double> numbers_;   // [65536]
  std::vector<uint64_t> masses_;  // [65536]
  std::vector<uint16_t> nearby_;  // graded: a code at or before that of -index / kNearbyPerNat
};

// The largest KL(teacher || stored) in nats that rounding to the grid's steps can cause at the first temperature, for
// labels of at most k entries and a tail; 0 for exact values. Derived in docs/format.md.
double KlBoundOf(const CodecParams& params);

}  // namespace decant
