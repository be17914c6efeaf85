#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "decant/producer/select.h"

namespace decant {

// The ids by descending logit, of equal ones the smaller id first.
std::vector<uint32_t> RankClasses(std::span<const uint32_t> ids, std::span<const float> logits);

// As a label has it: not above 0, and in float32's range.
inline double ClampLogProb(double log_prob) {
  return std::clamp(log_prob, double{std::numeric_limits<float>::lowest()}, 0.0);
}

// LabelSelector::AppendRanked().
void AppendRankedLabel(const CodecParams& params, const Selection& selection, const RankedRow& row,
                       const SelectedView& view, LabelBatch* labels);

}  // namespace decant
