#pragma once

#include <cstdint>

#include "decant/store/soft_label.h"

namespace decant {

// A probability that a decoded label says is 0 or less (a tail lost to rounding, an underflow) counts as this: a
// student would clamp it too, and KL would be infinite.
inline constexpr double kSmallestProbability = 1e-8;

struct LabelError {
  double kl = 0;        // KL(teacher || decoded) in nats, the tail as one bucket, never negative
  double gradient = 0;  // |p - q| / |p|, the tail spread evenly over the classes that are not listed
};

// Label i of `teacher` against label j of `decoded`, which may list the teacher's classes in any order, or some of
// them. The decoded label is normalised together with its tail.
LabelError CompareLabels(const LabelBatch& teacher, size_t i, const LabelBatch& decoded, size_t j,
                         uint32_t num_classes);

}  // namespace decant
