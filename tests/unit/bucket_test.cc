#include "store/bucket.h"

#include <gtest/gtest.h>

namespace decant {
namespace {

template <typename B>
void ExpectComesBack(uint32_t value, unsigned num_symbols) {
  const unsigned symbol = B::Symbol(value);
  ASSERT_LT(symbol, num_symbols) << value;
  ASSERT_GE(value, B::Base(symbol));
  ASSERT_LT(uint64_t{value} - B::Base(symbol), uint64_t{1} << B::ExtraBits(symbol)) << value;
}

TEST(BucketTest, EveryCodeComesBack) {
  for (uint32_t value = 0; value <= 0x1ffff; ++value) ExpectComesBack<CodeBucket>(value, kNumCodeSymbols);
  EXPECT_EQ(CodeBucket::Symbol(0x1ffff), kNumCodeSymbols - 1) << "the last symbol has a use";
}

TEST(BucketTest, GapsComeBackUpTo32Bits) {
  for (uint32_t value = 0; value < 100000; ++value) ExpectComesBack<GapBucket>(value, kNumGapSymbols);
  for (unsigned bit = 4; bit < 32; ++bit) {
    for (const int step : {-1, 0, 1})
      ExpectComesBack<GapBucket>((uint32_t{1} << bit) + static_cast<uint32_t>(step), kNumGapSymbols);
  }
  ExpectComesBack<GapBucket>(0xffffffff, kNumGapSymbols);
  EXPECT_EQ(GapBucket::Symbol(0xffffffff), kNumGapSymbols - 1) << "the last symbol has a use";
}

TEST(BucketTest, SymbolsFollowOneAnother) {
  for (unsigned symbol = 0; symbol + 1 < kNumGapSymbols; ++symbol) {
    EXPECT_EQ(GapBucket::Base(symbol) + (uint64_t{1} << GapBucket::ExtraBits(symbol)), GapBucket::Base(symbol + 1));
  }
  for (unsigned symbol = 0; symbol + 1 < kNumCodeSymbols; ++symbol) {
    EXPECT_EQ(CodeBucket::Base(symbol) + (uint64_t{1} << CodeBucket::ExtraBits(symbol)), CodeBucket::Base(symbol + 1));
  }
}

TEST(BucketTest, ValuesArePinned) {
  EXPECT_EQ(CodeBucket::Symbol(31), 31u);
  EXPECT_EQ(CodeBucket::Symbol(33), 32u);
  EXPECT_EQ(CodeBucket::Symbol(1000), 32u + 4 * 16 + 15);
  EXPECT_EQ(GapBucket::Symbol(15), 15u);
  EXPECT_EQ(GapBucket::Symbol(17), 16u);
  EXPECT_EQ(GapBucket::Symbol(1000), 16u + 5 * 8 + 7);
}

// A reader then finds them out of every range.
TEST(BucketTest, SymbolsWithoutNumbersStandForTheLargest) {
  for (unsigned symbol = kNumCodeSymbols; symbol < kNumSymbols; ++symbol) {
    EXPECT_EQ(kCodeRanges.base[symbol], 0xffffffff);
  }
  for (unsigned symbol = kNumGapSymbols; symbol < kNumSymbols; ++symbol) {
    EXPECT_EQ(kGapRanges.base[symbol], 0xffffffff);
  }
}

}  // namespace
}  // namespace decant
