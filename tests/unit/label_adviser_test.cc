#include "decant/producer/label_adviser.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "unit/errors.h"

namespace decant {
namespace {

constexpr uint32_t kNumClasses = 50;

std::vector<float> Logits(size_t num_views, double spread) {
  std::mt19937 bits(1);
  std::vector<float> logits(num_views * kNumClasses);
  for (float& logit : logits) {
    logit = static_cast<float>(spread * (bits() * 0x1p-32 + bits() * 0x1p-32 + bits() * 0x1p-32 - 1.5));
  }
  return logits;
}

LabelCost Measure(const Selection& selection, uint32_t k, std::span<const float> logits) {
  const std::vector<SelectedView> views(logits.size() / kNumClasses);
  return MeasureLabels({.num_classes = kNumClasses, .k = k, .delta = 0.03125}, selection, Prior::kLearnt, 1, logits,
                       views);
}

TEST(LabelAdviserTest, MoreEntriesKeepMoreAndCostMore) {
  const std::vector<float> logits = Logits(400, 6);
  LabelCost last = Measure({}, 1, logits);
  EXPECT_EQ(last.entries_per_label, 1);
  for (const uint32_t k : {2, 5, 10, 20}) {
    const LabelCost cost = Measure({}, k, logits);
    EXPECT_GT(cost.coverage_mean, last.coverage_mean);
    EXPECT_LE(cost.coverage_p5, cost.coverage_mean);
    EXPECT_LT(cost.kl_mean, last.kl_mean);
    EXPECT_GT(cost.bytes_per_label, last.bytes_per_label);
    EXPECT_EQ(cost.entries_per_label, k);
    last = cost;
  }
  const LabelCost all = Measure({}, kNumClasses, logits);
  EXPECT_NEAR(all.coverage_mean, 1, 1e-9);
  EXPECT_LT(all.kl_mean, 0.03125 * 0.03125 / 8);  // rounding alone
}

TEST(LabelAdviserTest, TopPReachesItsProbability) {
  const std::vector<float> logits = Logits(400, 6);
  for (const double p : {0.9, 0.99}) {
    const LabelCost cost = Measure({.kind = Selection::kTopP, .p = p}, kNumClasses, logits);
    EXPECT_GE(cost.coverage_p5, p - 1e-9);
    EXPECT_LT(cost.entries_per_label, kNumClasses);
  }
}

// Two classes and a tail, worked out by hand: p = (0.5, 0.25, 0.2, 0.05), k = 2.
TEST(LabelAdviserTest, SpreadsTheTailEvenly) {
  const std::vector<float> row = {std::log(0.5f), std::log(0.25f), std::log(0.2f), std::log(0.05f)};
  std::vector<float> logits;
  for (int view = 0; view < 40; ++view) logits.insert(logits.end(), row.begin(), row.end());
  const std::vector<SelectedView> views(40);
  const LabelCost cost =
      MeasureLabels({.num_classes = 4, .k = 2, .delta = 0x1p-10}, {}, Prior::kNone, 1, logits, views);
  EXPECT_NEAR(cost.coverage_mean, 0.75, 1e-6);
  EXPECT_NEAR(cost.kl_mean, 0.2 * std::log(0.2 / 0.125) + 0.05 * std::log(0.05 / 0.125), 1e-6);
}

TEST(LabelAdviserTest, KindsStayBelowTheClasses) {
  std::vector<uint32_t> ks;
  for (const LabelKind& kind : KindsToCompare(1000)) ks.push_back(kind.k);
  EXPECT_EQ(ks, (std::vector<uint32_t>{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1000, 1000}));
  EXPECT_EQ(KindsToCompare(10).front().k, 1u);
  EXPECT_EQ(KindsToCompare(10).size(), 6u);
  EXPECT_EQ(KindsToCompare(1).size(), 3u);
  EXPECT_EQ(KindsToCompare(151936).back().k, 1000u);
}

TEST(LabelAdviserTest, NeedsTwoViews) {
  EXPECT_THAT([] { Measure({}, 1, Logits(1, 1)); }, FailsWith(ErrorCode::kInvalidArgument, "1 views"));
}

}  // namespace
}  // namespace decant
