#include "sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "decant/base/error.h"
#include "decant/producer/select.h"

#include "codec_measurement.h"
#include "fast_random.h"

namespace decant {
namespace {

constexpr uint16_t kDrawStream = 5;
// The variance is measured on these many labels, with these many draws of each.
constexpr size_t kVarianceLabels = 128;
constexpr uint64_t kDrawsPerLabel = 16;
// A codec is measured on these many drawn labels, in chunks of so many.
constexpr size_t kCodedLabels = 2048;
constexpr size_t kChunkLabels = 1024;
constexpr double kPublishedBytesPerEntry = 3;

// softmax in double precision.
std::vector<double> Probabilities(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> probs(logits.size());
  for (size_t i = 0; i < probs.size(); ++i) probs[i] = std::exp(logits[i] - largest);
  const double total = std::accumulate(probs.begin(), probs.end(), 0.0);
  for (double& p : probs) p /= total;
  return probs;
}

}  // namespace

LabelSampler MakeReplacementSampler(uint32_t num_draws, uint64_t seed) {
  return [num_draws, seed](std::span<const float> logits, uint64_t draw, LabelBatch* labels) {
    FastRandom random(seed, draw, kDrawStream);
    const std::vector<double> probs = Probabilities(logits);
    std::vector<double> points(num_draws);
    for (double& point : points) point = random.Uniform();
    std::sort(points.begin(), points.end());
    std::vector<uint32_t> ids;
    std::vector<float> weights;
    double cumulative = 0;
    size_t point = 0;
    for (uint32_t id = 0; id < probs.size() && point < points.size(); ++id) {
      cumulative += id + 1 < probs.size() ? probs[id] : 1.0;
      uint32_t count = 0;
      for (; point < points.size() && points[point] < cumulative; ++point) ++count;
      if (count == 0) continue;
      ids.push_back(id);
      weights.push_back(static_cast<float>(std::log(static_cast<double>(count) / num_draws)));
    }
    labels->Append(ids, weights, 0);
  };
}

SamplerFigures MeasureSampler(const SyntheticTeacher& teacher, uint64_t first_index, size_t num_labels, uint64_t draws,
                              const LabelSampler& sampler) {
  SamplerFigures figures;
  std::vector<float> logits(teacher.num_classes());
  LabelBatch drawn;
  for (size_t i = 0; i < num_labels; ++i) {
    teacher.Logits(first_index + i, logits);
    const std::vector<double> probs = Probabilities(logits);
    const double square = std::inner_product(probs.begin(), probs.end(), probs.begin(), 0.0);
    drawn.Clear();
    for (uint64_t draw = 0; draw < draws; ++draw) sampler(logits, i * draws + draw, &drawn);
    // |w - p|^2 = |p|^2 + the sum over the drawn classes of (w^2 - 2 w p).
    for (uint64_t draw = 0; draw < draws; ++draw) {
      double distance = square;
      const auto ids = drawn.LabelIds(draw);
      const auto log_weights = drawn.LabelLogProbs(draw);
      for (size_t entry = 0; entry < ids.size(); ++entry) {
        const double weight = std::exp(double{log_weights[entry]});
        distance += weight * (weight - 2 * probs[ids[entry]]);
        figures.mean_weight += weight;
      }
      figures.variance += distance;
    }
    figures.mean_entries += static_cast<double>(drawn.num_entries());
  }
  const double total = static_cast<double>(num_labels) * static_cast<double>(draws);
  figures.variance /= total;
  figures.mean_entries /= total;
  figures.mean_weight /= total;
  return figures;
}

std::vector<SampledProfile> MakeReplacementProfiles(uint64_t seed) {
  std::vector<SampledProfile> profiles;
  profiles.push_back({"rskd_50", MakeReplacementSampler(50, seed), nullptr});
  profiles.push_back({"rskd_150", MakeReplacementSampler(150, seed), nullptr});
  return profiles;
}

std::vector<SampledProfile> MakeThresholdProfiles(uint32_t num_classes, uint64_t seed) {
  std::vector<SampledProfile> profiles;
  for (const uint32_t k : {12u, 24u}) {
    const auto selector = std::make_shared<LabelSelector>(CodecParams{.num_classes = num_classes, .k = k},
                                                          Selection{.kind = Selection::kSample}, seed);
    profiles.push_back({fmt::format("decant_sample{}", k),
                        [selector](std::span<const float> logits, uint64_t draw, LabelBatch* labels) {
                          selector->Append(logits, {.sample_id = draw}, labels);
                        },
                        MakeDecantSampleCodec({.num_classes = num_classes, .k = k, .delta = 1.0 / 16})});
  }
  return profiles;
}

CodecRow MeasureProfile(const SyntheticTeacher& teacher, uint64_t first_index, SampledProfile* profile) {
  const SamplerFigures figures =
      MeasureSampler(teacher, first_index, kVarianceLabels, kDrawsPerLabel, profile->sampler);
  CodecRow row = {.bytes_per_label = kPublishedBytesPerEntry * figures.mean_entries, .note = "24 bits an entry"};
  if (profile->codec) {
    LabelBatch calibration, measured;
    std::vector<float> logits(teacher.num_classes());
    for (uint64_t i = 0; i < 2 * kCodedLabels; ++i) {
      teacher.Logits(first_index + i, logits);
      profile->sampler(logits, i, i < kCodedLabels ? &measured : &calibration);
    }
    profile->codec->Calibrate(calibration);
    row = MeasureCodec(ChunkedLabels(measured, kChunkLabels), teacher.num_classes(), profile->codec.get());
    row.kl_mean = row.kl_max = row.kl_bound = row.gradient_error = std::nullopt;
  }
  row.codec = profile->name;
  row.variance = figures.variance;
  row.entries_per_label = figures.mean_entries;
  return row;
}

}  // namespace decant
