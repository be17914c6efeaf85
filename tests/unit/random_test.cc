#include "decant/base/random.h"

#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace decant {
namespace {

using Block = std::array<uint32_t, 4>;

// Random123 1.14, tests/kat_vectors, philox4x32 of 10 rounds: counter and key there are
// (index, epoch, purpose and block) and seed here.
TEST(PhiloxTest, GivesThePublishedAnswers) {
  EXPECT_EQ(PhiloxBlock(0, static_cast<RandomPurpose>(0), 0, 0, 0),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(PhiloxBlock(0xffffffffffffffff, static_cast<RandomPurpose>(0xffff), 0xffffffff, 0xffffffffffffffff, 0xffff),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(PhiloxBlock(0x299f31d0a4093822, static_cast<RandomPurpose>(0x0370), 0x13198a2e, 0x85a308d3243f6a88, 0x7344),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

std::vector<uint32_t> Draws(RandomStream stream, int count) {
  std::vector<uint32_t> bits;
  for (int i = 0; i < count; ++i) bits.push_back(stream.NextBits());
  return bits;
}

TEST(RandomStreamTest, IsTheSequenceOfBlocks) {
  std::vector<uint32_t> expected;
  for (uint16_t block = 0; block < 5; ++block) {
    for (const uint32_t word : PhiloxBlock(7, RandomPurpose::kView, 3, 9, block)) {
      expected.push_back(word);
    }
  }
  EXPECT_EQ(Draws(RandomStream(7, RandomPurpose::kView, 3, 9), 20), expected);
}

TEST(RandomStreamTest, EqualArgumentsGiveEqualNumbers) {
  const auto draws = Draws(RandomStream(7, RandomPurpose::kView, 3, 9), 100);
  EXPECT_EQ(Draws(RandomStream(7, RandomPurpose::kView, 3, 9), 100), draws);
  EXPECT_NE(Draws(RandomStream(8, RandomPurpose::kView, 3, 9), 100), draws);
  EXPECT_NE(Draws(RandomStream(7, RandomPurpose::kOrder, 3, 9), 100), draws);
  EXPECT_NE(Draws(RandomStream(7, RandomPurpose::kView, 4, 9), 100), draws);
  EXPECT_NE(Draws(RandomStream(7, RandomPurpose::kView, 3, 10), 100), draws);
}

TEST(RandomStreamTest, CopyContinuesAlike) {
  RandomStream stream(1, RandomPurpose::kView, 0, 0);
  for (int i = 0; i < 6; ++i) stream.NextBits();
  RandomStream copy = stream;
  EXPECT_EQ(Draws(stream, 10), Draws(copy, 10));
}

// 100,000 draws: each tenth of [0, 1) within 6 standard deviations of its share.
TEST(RandomStreamTest, UniformIsEvenIn01) {
  constexpr int kNumDraws = 100000;
  RandomStream stream(11, RandomPurpose::kView, 0, 0);
  std::vector<int> tenths(10);
  for (int i = 0; i < kNumDraws; ++i) {
    const double u = stream.NextUniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    EXPECT_EQ(u, static_cast<float>(u)) << "exact in float";
    ++tenths[static_cast<size_t>(u * 10)];
  }
  for (const int count : tenths) {
    EXPECT_NEAR(count, kNumDraws / 10, 6 * std::sqrt(kNumDraws * 0.09));
  }
}

TEST(RandomStreamTest, UniformStaysInItsRange) {
  RandomStream stream(11, RandomPurpose::kView, 0, 1);
  double low = 10, high = -10;
  for (int i = 0; i < 10000; ++i) {
    const double u = stream.NextUniform(-2, 3);
    ASSERT_GE(u, -2);
    ASSERT_LT(u, 3);
    low = std::min(low, u);
    high = std::max(high, u);
  }
  EXPECT_LT(low, -1.99);
  EXPECT_GT(high, 2.99);
  EXPECT_EQ(stream.NextUniform(0.5, 0.5), 0.5);
}

// Mean 1/2 and variance 1 / (4 (2 alpha + 1)), within 6 standard deviations of 20,000 draws.
TEST(RandomStreamTest, BetaHasItsMeanAndVariance) {
  constexpr int kNumDraws = 20000;
  for (const double alpha : {0.05, 0.2, 0.4, 0.8, 1.0}) {
    double sum = 0, squares = 0;
    for (int i = 0; i < kNumDraws; ++i) {
      RandomStream stream(5, RandomPurpose::kView, 0, static_cast<uint64_t>(i));
      const double beta = stream.NextBeta(alpha);
      ASSERT_GE(beta, 0);
      ASSERT_LE(beta, 1);
      sum += beta;
      squares += (beta - 0.5) * (beta - 0.5);
    }
    const double variance = 1 / (4 * (2 * alpha + 1));
    EXPECT_NEAR(sum / kNumDraws, 0.5, 6 * std::sqrt(variance / kNumDraws)) << alpha;
    // (x - 1/2)^2 lies in [0, 1/4], so its standard deviation is at most 1/8.
    EXPECT_NEAR(squares / kNumDraws, variance, 6 * 0.125 / std::sqrt(kNumDraws)) << alpha;
  }
}

TEST(UniformAtTest, IsWhatTheStreamGivesThere) {
  RandomStream stream(5, RandomPurpose::kSelection, 3, 77);
  for (uint32_t draw = 0; draw < 50; ++draw) {
    EXPECT_EQ(UniformAt(5, RandomPurpose::kSelection, 3, 77, draw), stream.NextUniform()) << "draw " << draw;
  }
}

}  // namespace
}  // namespace decant
