#include "decant/base/half.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace decant {
namespace {

bool IsNan16(uint16_t bits, unsigned fraction_bits) {
  const unsigned magnitude = bits & 0x7fff;
  return magnitude > (0x7fffu >> fraction_bits << fraction_bits);
}

// What a float16 is, by its definition.
double Fp16ByDefinition(uint16_t bits) {
  const double sign = bits & 0x8000 ? -1 : 1;
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  if (exponent == 31) return fraction != 0 ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(HalfTest, EveryFloat16IsWhatItsBitsSay) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const double expected = Fp16ByDefinition(half);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(Fp16ToFloat(half)));
    } else {
      ASSERT_EQ(double{Fp16ToFloat(half)}, expected);
      ASSERT_EQ(std::signbit(Fp16ToFloat(half)), std::signbit(expected));
    }
  }
}

TEST(HalfTest, Every16BitNumberComesBack) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if (!IsNan16(half, 10)) {
      ASSERT_EQ(FloatToFp16(Fp16ToFloat(half)), half);
    }
    if (!IsNan16(half, 7)) {
      ASSERT_EQ(FloatToBf16(Bf16ToFloat(half)), half);
    }
  }
}

TEST(HalfTest, NanStaysNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(Fp16ToFloat(FloatToFp16(nan))));
  EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16(nan))));
  EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(Fp16ToFloat(FloatToFp16(std::bit_cast<float>(0x7f800001u)))));
}

// Between two neighbours: below half way down, above it up, and half way to the one whose last bit is 0.
template <typename ToFloat, typename ToHalf>
void ExpectNearestEven(ToFloat to_float, ToHalf to_half, uint16_t largest) {
  for (uint16_t bits = 0; bits < largest; ++bits) {
    const double low = to_float(bits), high = to_float(static_cast<uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);
    const auto upper = static_cast<uint16_t>(bits + 1);
    ASSERT_EQ(to_half(middle), bits % 2 == 0 ? bits : upper) << bits;
    ASSERT_EQ(to_half(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(to_half(std::nextafter(middle, HUGE_VALF)), upper) << bits;
    ASSERT_EQ(to_half(-middle), to_half(middle) | 0x8000) << bits;
  }
}

TEST(HalfTest, RoundsToNearestEven) {
  ExpectNearestEven(Fp16ToFloat, FloatToFp16, 0x7bff);
  ExpectNearestEven(Bf16ToFloat, FloatToBf16, 0x7f7f);
}

TEST(HalfTest, OverflowIsInfinite) {
  EXPECT_EQ(FloatToFp16(65504), 0x7bff);
  EXPECT_EQ(FloatToFp16(65519.996f), 0x7bff);
  EXPECT_EQ(FloatToFp16(65520), 0x7c00);
  EXPECT_EQ(FloatToFp16(-1e30f), 0xfc00);
  EXPECT_EQ(FloatToFp16(HUGE_VALF), 0x7c00);
  EXPECT_EQ(FloatToBf16(HUGE_VALF), 0x7f80);
  EXPECT_EQ(FloatToBf16(std::numeric_limits<float>::max()), 0x7f80);
}

}  // namespace
}  // namespace decant
