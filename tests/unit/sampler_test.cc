#include "bench/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

namespace decant {
namespace {

const std::vector<float> kLogits = {2, 0, 1, -1, 0.5f, -3};

std::vector<double> Softmax(const std::vector<float>& logits) {
  std::vector<double> probs;
  for (const float logit : logits) probs.push_back(std::exp(double{logit}));
  const double total = std::accumulate(probs.begin(), probs.end(), 0.0);
  for (double& p : probs) p /= total;
  return probs;
}

TEST(ReplacementSamplerTest, IsUnbiased) {
  constexpr int kDraws = 40000;
  const LabelSampler sampler = MakeReplacementSampler(7, 3);
  std::vector<double> mean(kLogits.size());
  LabelBatch labels;
  for (uint64_t draw = 0; draw < kDraws; ++draw) sampler(kLogits, draw, &labels);
  for (size_t entry = 0; entry < labels.num_entries(); ++entry) {
    mean[labels.ids[entry]] += std::exp(double{labels.log_probs[entry]}) / kDraws;
  }
  const std::vector<double> probs = Softmax(kLogits);
  for (size_t id = 0; id < probs.size(); ++id) {
    EXPECT_NEAR(mean[id], probs[id], 5 * std::sqrt(probs[id] * (1 - probs[id]) / 7 / kDraws)) << id;
  }
}

TEST(ReplacementSamplerTest, WeightsOfADrawSumTo1AndIdsAscend) {
  LabelBatch labels;
  MakeReplacementSampler(50, 1)(kLogits, 9, &labels);
  double total = 0;
  for (const float log_prob : labels.log_probs) total += std::exp(double{log_prob});
  EXPECT_NEAR(total, 1, 1e-6);
  EXPECT_TRUE(std::ranges::is_sorted(labels.ids));
}

TEST(MeasureSamplerTest, FindsTheVarianceOfDrawsWithReplacement) {
  // It is known: (1 - |p|^2) / draws.
  const auto teacher = MakeImageTeacher({.num_classes = 60, .k = 5, .seed = 4});
  double expected = 0;
  for (uint64_t label = 0; label < 10; ++label) {
    std::vector<float> logits(60);
    teacher->Logits(20 + label, logits);
    double square = 0;
    for (const double p : Softmax(logits)) square += p * p;
    expected += (1 - square) / 12 / 10;
  }
  const SamplerFigures figures = MeasureSampler(*teacher, 20, 10, 3000, MakeReplacementSampler(12, 8));
  EXPECT_NEAR(figures.variance, expected, 0.03 * expected);
  EXPECT_NEAR(figures.mean_weight, 1, 1e-6);
  EXPECT_LE(figures.mean_entries, 12);
}

TEST(MeasureProfileTest, CountsTheBytesOfTheDrawnLabels) {
  const auto teacher = MakeImageTeacher({.num_classes = 60, .k = 5, .seed = 4});
  SampledProfile published = {"published", MakeReplacementSampler(12, 8), nullptr};
  const CodecRow row = MeasureProfile(*teacher, 0, &published);
  EXPECT_DOUBLE_EQ(*row.bytes_per_label, 3 * *row.entries_per_label);
  EXPECT_FALSE(row.kl_mean);
  EXPECT_FALSE(row.decode_entries_per_second);

  SampledProfile coded = {"coded", MakeReplacementSampler(12, 8), MakeTinyVitCodec({.num_classes = 60, .k = 12})};
  const CodecRow coded_row = MeasureProfile(*teacher, 0, &coded);
  EXPECT_EQ(coded_row.codec, "coded");
  EXPECT_DOUBLE_EQ(*coded_row.bytes_per_label, 4 + 4 * 12);
  EXPECT_DOUBLE_EQ(*coded_row.variance, *row.variance);
  EXPECT_GT(*coded_row.decode_entries_per_second, 0);
  EXPECT_FALSE(coded_row.kl_mean);
}

}  // namespace
}  // namespace decant
