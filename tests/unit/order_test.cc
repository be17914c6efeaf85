#include "decant/data/order.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "unit/errors.h"

namespace decant {
namespace {

std::vector<uint64_t> Permutation(OrderKind kind, uint64_t seed, uint32_t epoch, uint64_t size) {
  const Order order(kind, seed, epoch, size);
  std::vector<uint64_t> samples;
  for (uint64_t position = 0; position < size; ++position) {
    samples.push_back(order.SampleAt(position));
  }
  return samples;
}

class OrderSizeTest : public testing::TestWithParam<uint64_t> {};

TEST_P(OrderSizeTest, HoldsEverySampleOnceAndInverts) {
  const uint64_t size = GetParam();
  for (const uint64_t seed : {0u, 1u, 77u}) {
    const Order order(OrderKind::kGlobal, seed, 3, size);
    EXPECT_EQ(order.num_samples(), size);
    std::vector<bool> seen(size);
    for (uint64_t position = 0; position < size; ++position) {
      const uint64_t sample = order.SampleAt(position);
      ASSERT_LT(sample, size);
      EXPECT_FALSE(seen[sample]) << "sample " << sample;
      seen[sample] = true;
      EXPECT_EQ(order.PositionOf(sample), position);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, OrderSizeTest,
                         testing::Values(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127,
                                         128, 129, 1000, 1023, 1024, 1025, 4095, 4096, 4097, 10007));

TEST(OrderTest, InvertsInLargeOrders) {
  for (const uint64_t size : {(uint64_t{1} << 33) - 1, uint64_t{1} << 40, (uint64_t{1} << 47) + 1, uint64_t{1} << 48}) {
    const Order order(OrderKind::kGlobal, 9, 2, size);
    for (uint64_t i = 0; i < 200; ++i) {
      const uint64_t position = i * (size / 200);
      const uint64_t sample = order.SampleAt(position);
      ASSERT_LT(sample, size);
      EXPECT_EQ(order.PositionOf(sample), position);
    }
  }
}

TEST(OrderTest, DatasetOrderIsTheIdentity) {
  const Order order(OrderKind::kDataset, 4, 2, 100);
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(order.SampleAt(i), i);
    EXPECT_EQ(order.PositionOf(i), i);
  }
}

TEST(OrderTest, DependsOnSeedAndEpochAlone) {
  const auto order = Permutation(OrderKind::kGlobal, 1, 0, 50);
  EXPECT_EQ(Permutation(OrderKind::kGlobal, 1, 0, 50), order);
  EXPECT_NE(Permutation(OrderKind::kGlobal, 2, 0, 50), order);
  EXPECT_NE(Permutation(OrderKind::kGlobal, 1, 1, 50), order);
  EXPECT_NE(Permutation(OrderKind::kGlobal, uint64_t{1} << 32 | 1, 0, 50), order) << "the high word of the seed counts";
}

// The distribution of one sample's position over many epochs, and of one position's sample, is
// even: the chi-square statistic lies within 8 standard deviations of its mean.
TEST(OrderTest, PositionsAreSpreadEvenly) {
  for (const uint64_t size : {2u, 3u, 5u, 8u, 10u, 16u, 33u, 100u}) {
    const uint32_t num_epochs = static_cast<uint32_t>(400 * size);
    std::vector<double> positions(size), samples(size);
    for (uint32_t epoch = 0; epoch < num_epochs; ++epoch) {
      const Order order(OrderKind::kGlobal, 12, epoch, size);
      ++positions[order.PositionOf(1)];
      ++samples[order.SampleAt(size - 1)];
    }
    const double freedom = static_cast<double>(size) - 1;
    for (const auto& counts : {positions, samples}) {
      double chi_square = 0;
      for (const double count : counts) chi_square += (count - 400) * (count - 400) / 400;
      EXPECT_LT(chi_square, freedom + 8 * std::sqrt(2 * freedom)) << size << " samples";
    }
  }
}

// Where two samples go is independent: all ordered pairs of positions come up alike often.
TEST(OrderTest, PairsOfPositionsAreSpreadEvenly) {
  constexpr uint64_t kSize = 16;
  constexpr uint32_t kPerPair = 100;
  std::vector<double> counts(kSize * kSize);
  for (uint32_t epoch = 0; epoch < kPerPair * kSize * (kSize - 1); ++epoch) {
    const Order order(OrderKind::kGlobal, 3, epoch, kSize);
    ++counts[order.PositionOf(0) * kSize + order.PositionOf(1)];
  }
  double chi_square = 0;
  for (uint64_t pair = 0; pair < counts.size(); ++pair) {
    if (pair / kSize == pair % kSize) continue;
    chi_square += (counts[pair] - kPerPair) * (counts[pair] - kPerPair) / kPerPair;
  }
  const double freedom = kSize * (kSize - 1) - 1;
  EXPECT_LT(chi_square, freedom + 8 * std::sqrt(2 * freedom));
}

TEST(OrderTest, GivesKnownAnswers) {
  EXPECT_EQ(Permutation(OrderKind::kGlobal, 0, 0, 10), (std::vector<uint64_t>{4, 2, 9, 7, 8, 5, 0, 6, 3, 1}));
  EXPECT_EQ(Permutation(OrderKind::kGlobal, 42, 7, 16),
            (std::vector<uint64_t>{15, 0, 14, 10, 3, 9, 11, 13, 1, 7, 8, 4, 6, 5, 12, 2}));
  const Order large(OrderKind::kGlobal, 0x0123456789abcdef, 3, 1281167);
  EXPECT_EQ(large.SampleAt(0), 376947u);
  EXPECT_EQ(large.SampleAt(1281166), 106850u);
}

TEST(OrderTest, RejectsSizesOutOfRange) {
  EXPECT_THAT([] { Order(OrderKind::kGlobal, 0, 0, 0); },
              FailsWith(ErrorCode::kInvalidArgument, "an order of 0 samples"));
  EXPECT_THAT([] { Order(OrderKind::kGlobal, 0, 0, (uint64_t{1} << 48) + 1); },
              FailsWith(ErrorCode::kInvalidArgument, "expected 1 to 2^48"));
}

TEST(OrderKindTest, NamesComeBack) {
  EXPECT_EQ(ParseOrderKind("global"), OrderKind::kGlobal);
  EXPECT_EQ(ParseOrderKind("dataset"), OrderKind::kDataset);
  EXPECT_EQ(OrderKindName(OrderKind::kGlobal), "global");
  EXPECT_EQ(OrderKindName(OrderKind::kDataset), "dataset");
  EXPECT_THAT([] { ParseOrderKind("Global"); },
              FailsWith(ErrorCode::kInvalidArgument, "'Global' is not known; use 'global'"));
}

TEST(OrderKindTest, IdentitiesComeBack) {
  for (const OrderKind kind : {OrderKind::kGlobal, OrderKind::kDataset}) {
    EXPECT_EQ(OrderFromIdentity(OrderIdentity(kind)), kind);
  }
  EXPECT_EQ(OrderIdentity(OrderKind::kGlobal).dump(), R"({"kind":"global","version":1})");
}

TEST(OrderKindTest, RejectsIdentitiesOfAnotherBuild) {
  nlohmann::json newer = OrderIdentity(OrderKind::kGlobal);
  newer["version"] = 2;
  EXPECT_THAT([&] { OrderFromIdentity(newer); }, FailsWith(ErrorCode::kMismatch, "\"version\":2"));
  nlohmann::json wider = OrderIdentity(OrderKind::kGlobal);
  wider["window"] = 100;
  EXPECT_THAT([&] { OrderFromIdentity(wider); }, FailsWith(ErrorCode::kMismatch, "window"));
  EXPECT_THAT([] { OrderFromIdentity(nullptr); }, FailsWith(ErrorCode::kMismatch, "null"));
}

}  // namespace
}  // namespace decant
