#include "decant/bench/synthetic_teacher.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "decant/base/error.h"

#include "bench/fast_random.h"
#include "bench/settings.h"
#include "unit/store_maker.h"

namespace decant {
namespace {

// Small relatives of the settings, fast enough for a unit test.
std::unique_ptr<SyntheticTeacher> SmallImageTeacher(uint64_t seed) {
  return MakeImageTeacher({.num_classes = 500, .k = 10, .seed = seed});
}
std::unique_ptr<SyntheticTeacher> SmallTokenTeacher(uint64_t seed) {
  return MakeTokenTeacher({.num_tokens = 5000, .k = 32, .seed = seed});
}

double MeanCoverage(const LabelBatch& labels) {
  double tail = 0;
  for (const float mass : labels.tail_mass) tail += mass;
  return 1 - tail / static_cast<double>(labels.size());
}

double MeanLargest(const LabelBatch& labels) {
  double sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) sum += std::exp(*std::ranges::max_element(labels.LabelLogProbs(i)));
  return sum / static_cast<double>(labels.size());
}

TEST(FastRandomTest, NormalNumbersHaveTheirMomentsAndTails) {
  const NormalTable normal;
  double square = 0, fourth = 0;
  for (uint32_t i = 0; i < 65536; ++i) {
    const double x = normal[static_cast<uint16_t>(i)];
    square += x * x / 65536;
    fourth += x * x * x * x / 65536;
    EXPECT_EQ(normal[static_cast<uint16_t>(65535 - i)], -normal[static_cast<uint16_t>(i)]);
  }
  EXPECT_NEAR(square, 1, 1e-3);
  EXPECT_NEAR(fourth, 3, 2e-2);
  EXPECT_NEAR(normal[static_cast<uint16_t>(0.975 * 65536)], 1.96, 1e-3);
  EXPECT_NEAR(normal[0], -4.33, 0.01);
}

TEST(FastRandomTest, StreamsDependOnEachPartOfTheirKey) {
  const uint64_t first = FastRandom(1, 2, 3).Bits();
  EXPECT_EQ(FastRandom(1, 2, 3).Bits(), first);
  EXPECT_NE(FastRandom(2, 2, 3).Bits(), first);
  EXPECT_NE(FastRandom(1, 3, 3).Bits(), first);
  EXPECT_NE(FastRandom(1, 2, 4).Bits(), first);
}

TEST(SyntheticTeacherTest, LabelsAreAFunctionOfSeedAndIndex) {
  for (const auto make : {SmallImageTeacher, SmallTokenTeacher}) {
    const LabelBatch labels = MakeLabels(*make(7), 100, 20, 1);
    EXPECT_TRUE(SameLabels(labels, MakeLabels(*make(7), 100, 20, 3)));
    EXPECT_FALSE(SameLabels(labels, MakeLabels(*make(8), 100, 20, 1)));
    LabelBatch later;
    later.AppendRange(labels, 5, 20);
    EXPECT_TRUE(SameLabels(later, MakeLabels(*make(7), 105, 15, 1)));
  }
}

TEST(SyntheticTeacherTest, TokenLogitsLieOnTheBfloat16Grid) {
  const auto teacher = SmallTokenTeacher(1);
  std::vector<float> logits(teacher->num_classes());
  teacher->Logits(3, logits);
  for (const float logit : logits) ASSERT_EQ(std::bit_cast<uint32_t>(logit) & 0xffff, 0u) << logit;
}

TEST(SyntheticTeacherTest, ImageLabelsMixConfidentAndConfusedSamples) {
  const BenchmarkSetting setting = MakeSetting("c1000_k10", "default", 5);
  const LabelBatch labels = MakeLabels(*setting.teacher, 0, 2000, 2);
  EXPECT_NEAR(MeanLargest(labels), 0.72, 0.05);
  EXPECT_NEAR(MeanCoverage(labels), 0.95, 0.02);
  size_t confident = 0, confused = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const float largest = *std::ranges::max_element(labels.LabelLogProbs(i));
    confident += largest > std::log(0.9f);
    confused += largest < std::log(0.5f);
  }
  EXPECT_GT(confident, labels.size() / 5);
  EXPECT_GT(confused, labels.size() / 10);
}

TEST(SyntheticTeacherTest, TokenLabelsKeepThePublishedMass) {
  const BenchmarkSetting setting = MakeSetting("v151936_k128", "default", 5);
  const LabelBatch labels = MakeLabels(*setting.teacher, 0, 300, 2);
  double mass_32 = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    std::vector<float> sorted(labels.LabelLogProbs(i).begin(), labels.LabelLogProbs(i).end());
    std::ranges::sort(sorted, std::greater());
    for (size_t rank = 0; rank < 32; ++rank) mass_32 += std::exp(sorted[rank]) / static_cast<double>(labels.size());
  }
  EXPECT_NEAR(mass_32, 0.936, 0.015);
  EXPECT_NEAR(MeanCoverage(labels), 0.962, 0.012);
}

TEST(SyntheticTeacherTest, KnowingTheClassesMakesIdsCheaper) {
  const auto teacher = SmallImageTeacher(2);
  const LabelBatch labels = MakeLabels(*teacher, 50, 1000, 1);
  const double floor = (std::lgamma(501) - std::lgamma(11) - std::lgamma(491)) / std::log(2);
  const double bits = teacher->IdEntropyBits(50, labels);
  EXPECT_LT(bits, 0.8 * floor);
  EXPECT_GT(bits, std::log2(500) - 2);  // the true class alone
  // Whoever is wrong about which sample is which knows nothing.
  EXPECT_GT(teacher->IdEntropyBits(51, labels), 1.2 * bits);
}

TEST(SyntheticTeacherTest, SettingsAreRefusedByName) {
  EXPECT_THROW(MakeSetting("c10", "default", 1), Error);
  EXPECT_THROW(MakeSetting("c1000_k10", "nonsense", 1), Error);
}

}  // namespace
}  // namespace decant
