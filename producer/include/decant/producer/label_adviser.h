#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decant/producer/select.h"
#include "decant/store/schema.h"

namespace decant {

// What labels of one kind keep of a teacher's distributions, at the first temperature, and what they cost.
struct LabelCost {
  Selection selection;
  uint32_t k = 0;
  double coverage_mean = 0;  // probability of the listed classes
  double coverage_p5 = 0;    // below this in 5 % of the views
  double kl_mean = 0;        // nats, KL(teacher || decoded label, its tail spread evenly); infinite for samples
  double entries_per_label = 0;
  double bytes_per_label = 0;  // of chunk records
};

// Selects, codes and decodes labels of `logits`, [views.size(), params.num_classes] finite values row by row. The codec
// learns from the views with even index and is measured on the others, at least one of each: bytes are somewhat more
// than with the job's calibration. kInvalidArgument as LabelSelector and ChunkCodec.
LabelCost MeasureLabels(const CodecParams& params, const Selection& selection, Prior prior, uint64_t seed,
                        std::span<const float> logits, std::span<const SelectedView> views);

// The kinds of labels to compare: top k for 1, 2, 5, 10, 20, ... below num_classes, at most 1000, then top p for 0.9,
// 0.95 and 0.99 with at most 1000 entries.
struct LabelKind {
  Selection selection;
  uint32_t k = 0;
};
std::vector<LabelKind> KindsToCompare(uint32_t num_classes);

}  // namespace decant
