#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decant/producer/select.h"

namespace decant {

// The ids by descending logit, of equal ones the smaller id first.
std::vector<uint32_t> RankClasses(std::span<const uint32_t> ids, std::span<const float> logits);

// LabelSelector::AppendRanked().
void AppendRankedLabel(const CodecParams& params, const Selection& selection, const RankedRow& row,
                       const SelectedView& view, LabelBatch* labels);

}  // namespace decant
