#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "decant/bench/codec_benchmark.h"
#include "decant/bench/synthetic_teacher.h"
#include "decant/store/soft_label.h"

#include "label_codec.h"

namespace decant {

// Draws an unbiased estimate of softmax(logits): appends a label, the entries of which have exp(log_prob) as their
// weights (they may sum to anything; the tail mass is not looked at). A pure function of its arguments.
using LabelSampler = std::function<void(std::span<const float> logits, uint64_t draw, LabelBatch* labels)>;

// RS-KD (Anshumann et al., ACL 2025): `num_draws` draws from softmax(logits) with replacement; a class drawn c times
// has the weight c / num_draws.
LabelSampler MakeReplacementSampler(uint32_t num_draws, uint64_t seed);

struct SamplerFigures {
  double variance = 0;      // trace of the covariance of the estimate, mean over the labels: E |estimate - p|^2
  double mean_entries = 0;  // distinct classes of a draw
  double mean_weight = 0;   // sum of the weights of a draw: 1 for an unbiased sampler
};
// Of the first `num_labels` labels of `teacher`, from `draws` draws each; deterministic.
SamplerFigures MeasureSampler(const SyntheticTeacher& teacher, uint64_t first_index, size_t num_labels, uint64_t draws,
                              const LabelSampler& sampler);

// A way to store drawn labels, as a row of the benchmark.
struct SampledProfile {
  std::string name;
  LabelSampler sampler;
  std::unique_ptr<LabelCodec> codec;  // of the drawn labels; null: 24 bits an entry, as RS-KD's paper has it
};

// RS-KD with 50 and with 150 draws.
std::vector<SampledProfile> MakeReplacementProfiles(uint64_t seed);

// Decant's threshold sampling with 12 and with 24 entries.
std::vector<SampledProfile> MakeThresholdProfiles(uint32_t num_classes, uint64_t seed);

// What a profile makes of the labels from `first_index` on. Its codec, if any, is calibrated on one half of the drawn
// labels and measured on the other. KL does not apply: a draw is not near the distribution, its mean is.
CodecRow MeasureProfile(const SyntheticTeacher& teacher, uint64_t first_index, SampledProfile* profile);

}  // namespace decant
