#include "decant/producer/select.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "unit/errors.h"

namespace decant {
namespace {

LabelBatch Select(const std::vector<float>& logits, uint32_t k, double temperature = 1) {
  TopKSelector selector(static_cast<uint32_t>(logits.size()), k, temperature);
  LabelBatch labels;
  selector.Append(logits, &labels);
  return labels;
}

// Logits of a fixed sequence: sums of uniforms times `spread`.
std::vector<float> RandomLogits(uint32_t num_classes, double spread, std::mt19937& bits) {
  std::vector<float> logits(num_classes);
  for (float& logit : logits) {
    logit = static_cast<float>(spread * (bits() * 0x1p-32 + bits() * 0x1p-32 - 1));
  }
  return logits;
}

TEST(TopKSelectorTest, TakesTheLargestInTheOrderOfIds) {
  EXPECT_EQ(Select({1, 5, 2, 4, 3}, 3).ids, (std::vector<uint32_t>{1, 3, 4}));
  EXPECT_EQ(Select({-1, -5, -2}, 1).ids, (std::vector<uint32_t>{0}));
}

TEST(TopKSelectorTest, TiesGoToTheSmallerId) {
  EXPECT_EQ(Select({1, 2, 1, 2, 1}, 3).ids, (std::vector<uint32_t>{0, 1, 3}));
  EXPECT_EQ(Select({0, 0, 0, 0}, 2).ids, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(Select({-0.0f, 0.0f, 0.0f}, 1).ids, (std::vector<uint32_t>{0}));
  EXPECT_EQ(Select(std::vector<float>(1000, 3), 5).ids, (std::vector<uint32_t>{0, 1, 2, 3, 4}));
}

// Against a softmax and a sort written out plainly.
TEST(TopKSelectorTest, EqualsAPlainSoftmax) {
  std::mt19937 bits(3);
  for (const uint32_t num_classes : {1u, 2u, 10u, 257u}) {
    for (const uint32_t k : {1u, (num_classes + 1) / 2, num_classes}) {
      for (const double temperature : {0.5, 1.0, 4.0}) {
        const auto logits = RandomLogits(num_classes, 8, bits);
        const LabelBatch labels = Select(logits, k, temperature);
        std::vector<double> probs;
        for (const float logit : logits) probs.push_back(std::exp(logit / temperature));
        const double total = std::accumulate(probs.begin(), probs.end(), 0.0);
        std::vector<uint32_t> ids(num_classes);
        std::iota(ids.begin(), ids.end(), 0);
        std::stable_sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) { return logits[a] > logits[b]; });
        double tail = 0;
        for (uint32_t rank = k; rank < num_classes; ++rank) tail += probs[ids[rank]] / total;
        std::sort(ids.begin(), ids.begin() + k);

        ASSERT_EQ(labels.size(), 1u);
        EXPECT_EQ(labels.ids, std::vector<uint32_t>(ids.begin(), ids.begin() + k));
        for (uint32_t entry = 0; entry < k; ++entry) {
          EXPECT_NEAR(labels.log_probs[entry], std::log(probs[ids[entry]] / total), 2e-6);
        }
        EXPECT_NEAR(labels.tail_mass[0], tail, 1e-7);
      }
    }
  }
}

TEST(TopKSelectorTest, AllClassesLeaveATailOfExactlyZero) {
  std::mt19937 bits(4);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Select(RandomLogits(33, 5, bits), 33).tail_mass[0], 0);
}

TEST(TopKSelectorTest, TailIsNeverNegative) {
  std::mt19937 bits(5);
  for (int i = 0; i < 1000; ++i) {
    const LabelBatch labels = Select(RandomLogits(50, 60, bits), 49);
    EXPECT_GE(labels.tail_mass[0], 0);
    EXPECT_LE(labels.tail_mass[0], 1);
    for (const float log_prob : labels.log_probs) EXPECT_LE(log_prob, 0);
  }
}

// One minus the listed mass would be 0 or rounding noise here.
TEST(TopKSelectorTest, TailOfAConfidentRowIsPrecise) {
  const LabelBatch labels = Select({40, 0, 1, -3}, 1);
  const double tail =
      (std::exp(-40) + std::exp(-39) + std::exp(-43)) / (1 + std::exp(-40) + std::exp(-39) + std::exp(-43));
  EXPECT_NEAR(labels.tail_mass[0] / tail, 1, 1e-6);
}

TEST(TopKSelectorTest, LargeLogitsDoNotOverflow) {
  const LabelBatch labels = Select({1e30f, 1e30f, -1e30f}, 2);
  EXPECT_NEAR(labels.log_probs[0], std::log(0.5), 1e-6);
  EXPECT_EQ(labels.tail_mass[0], 0);
}

TEST(TopKSelectorTest, TemperatureFlattens) {
  EXPECT_NEAR(Select({2, 0}, 1, 2).log_probs[0], -std::log1p(std::exp(-1)), 1e-6);
  EXPECT_LT(Select({2, 0}, 1, 1).tail_mass[0], Select({2, 0}, 1, 10).tail_mass[0]);
}

TEST(TopKSelectorTest, AppendsRowAfterRow) {
  TopKSelector selector(3, 2, 1);
  LabelBatch labels;
  selector.Append(std::vector<float>{3, 2, 1}, &labels);
  selector.Append(std::vector<float>{1, 2, 3}, &labels);
  EXPECT_EQ(labels.offsets, (std::vector<uint32_t>{0, 2, 4}));
  EXPECT_EQ(labels.ids, (std::vector<uint32_t>{0, 1, 1, 2}));
  EXPECT_EQ(labels.log_probs[0], labels.log_probs[3]) << "no memory of the row before";
  EXPECT_EQ(labels.tail_mass[0], labels.tail_mass[1]);
}

TEST(TopKSelectorTest, NamesTheClassThatIsNotFinite) {
  const auto code = ErrorCode::kInvalidArgument;
  EXPECT_THAT([] { Select({0, 1, std::nanf(""), 2}, 2); }, FailsWith(code, "the logit of class 2 is nan"));
  EXPECT_THAT(
      [] {
        Select({0, std::numeric_limits<float>::infinity()}, 2);
      },
      FailsWith(code, "the logit of class 1 is inf"));
  EXPECT_THAT(
      [] {
        Select({-std::numeric_limits<float>::infinity(), 1}, 1);
      },
      FailsWith(code, "the logit of class 0 is -inf"));
}

TEST(TopKSelectorTest, RefusedRowAppendsNothing) {
  TopKSelector selector(2, 1, 1);
  LabelBatch labels;
  EXPECT_THROW(selector.Append(std::vector<float>{0, std::nanf("")}, &labels), Error);
  EXPECT_EQ(labels.size(), 0u);
  EXPECT_EQ(labels.num_entries(), 0u);
}

TEST(TopKSelectorTest, RejectsArgumentsOutOfRange) {
  const auto code = ErrorCode::kInvalidArgument;
  EXPECT_THAT([] { TopKSelector(10, 0, 1); }, FailsWith(code, "labels.k is 0"));
  EXPECT_THAT([] { TopKSelector(10, 11, 1); }, FailsWith(code, "labels.k is 11"));
  for (const double temperature : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT([&] { TopKSelector(10, 1, temperature); }, FailsWith(code, "labels.temperature"));
  }
  EXPECT_THAT(
      [] {
        LabelBatch labels;
        TopKSelector(3, 1, 1).Append(std::vector<float>{1, 2}, &labels);
      },
      FailsWith(code, "expected 3 logits, found 2"));
}

}  // namespace
}  // namespace decant
