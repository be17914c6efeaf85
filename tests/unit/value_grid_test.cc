#include "store/value_grid.h"

#include <bit>
#include <cmath>

#include <gtest/gtest.h>

#include "decant/base/half.h"
#include "decant/store/chunk_codec.h"

#include "unit/errors.h"

namespace decant {
namespace {

CodecParams Params(Values values, double delta = 0x1p-5, double max_delta = 0) {
  return {.num_classes = 10, .k = 3, .values = values, .delta = delta, .max_delta = max_delta};
}

TEST(ValueGridTest, EveryFiniteLogitComesBack) {
  for (const Values values : {Values::kBf16Logits, Values::kFp16Logits}) {
    const ValueGrid grid(Params(values));
    const auto to_float = values == Values::kBf16Logits ? Bf16ToFloat : Fp16ToFloat;
    for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
      const float logit = to_float(static_cast<uint16_t>(bits));
      if (!std::isfinite(logit)) continue;
      const uint16_t code = grid.Code(logit);
      ASSERT_LE(code, kLargestCode);
      ASSERT_EQ(std::bit_cast<uint32_t>(static_cast<float>(grid.Number(code))), std::bit_cast<uint32_t>(logit)) << bits;
    }
  }
}

TEST(ValueGridTest, EveryFloat16ProbabilityComesBack) {
  const ValueGrid grid(Params(Values::kFp16Probs));
  for (uint32_t bits = 0; bits <= 0x3c00; ++bits) {
    const float prob = Fp16ToFloat(static_cast<uint16_t>(bits));
    const auto log_prob = static_cast<float>(std::log(double{prob}));
    ASSERT_EQ(grid.Code(log_prob), 0x3c00 - bits) << "its code survives float32 logarithms";
    ASSERT_EQ(static_cast<float>(std::exp(grid.Number(static_cast<uint16_t>(0x3c00 - bits)))), prob);
  }
  EXPECT_EQ(grid.Number(kFp16ZeroCode), -HUGE_VAL);
  EXPECT_EQ(grid.Mass(kFp16ZeroCode), 0u);
}

TEST(ValueGridTest, SmallerCodesAreLikelier) {
  for (const CodecParams& params : {Params(Values::kLogProbs), Params(Values::kLogProbs, 0x1p-7, 0.5),
                                    Params(Values::kFp16Logits), Params(Values::kBf16Logits)}) {
    const ValueGrid grid(params);
    for (uint16_t code = 0; code < kLargestCode; ++code) {
      const double number = grid.Number(code), next = grid.Number(code + 1);
      if (std::isnan(number) || std::isnan(next)) continue;
      ASSERT_GE(number, next) << "values " << int{static_cast<uint8_t>(params.values)} << " code " << code;
      ASSERT_GE(grid.Mass(code), grid.Mass(code + 1));
    }
  }
}

TEST(ValueGridTest, EvenStepsRoundToHalfAStep) {
  for (const double delta : {0x1p-10, 0x1p-5, 0.1, 1.0}) {
    const ValueGrid grid(Params(Values::kLogProbs, delta));
    for (double x = 0; x < 60; x += 0.00137) {
      ASSERT_LE(std::abs(grid.Number(grid.Code(-x)) + x), delta / 2 * (1 + 1e-9)) << delta << " " << x;
    }
  }
}

// |e| <= min(delta / sqrt(p), max_delta) / 2, which the bound in docs/format.md needs; and the nearest code is taken.
TEST(ValueGridTest, GradedStepsRoundToHalfAStep) {
  for (const auto& [delta, max_delta] : {std::pair(0x1p-7, 0.5), std::pair(0x1p-10, 2.0), std::pair(0.25, 0.3),
                                         std::pair(0x1p-10, 0x1.0001p-10), std::pair(1.0, 2.0)}) {
    const ValueGrid grid(Params(Values::kLogProbs, delta, max_delta));
    for (double x = 0; x < 60; x += 0.00137) {
      const uint16_t code = grid.Code(-x);
      const double error = std::abs(grid.Number(code) + x);
      const double step = std::min(delta * std::exp(x / 2), max_delta);
      ASSERT_LE(error, step / 2 * (1 + 1e-9)) << delta << " " << max_delta << " " << x;
      if (code > 0) {
        ASSERT_LE(error, std::abs(grid.Number(code - 1) + x) + 1e-12);
      }
      if (code < kLargestCode) {
        ASSERT_LE(error, std::abs(grid.Number(code + 1) + x) + 1e-12);
      }
    }
  }
}

TEST(ValueGridTest, WhatLiesBeyondTheLastCodeTakesIt) {
  for (const double max_delta : {0.0, 0.5}) {
    const ValueGrid grid(Params(Values::kLogProbs, 0x1p-10, max_delta));
    EXPECT_EQ(grid.Code(-HUGE_VAL), kLargestCode);
    EXPECT_EQ(grid.Code(-1e30), kLargestCode);
    EXPECT_EQ(grid.Code(0), 0);
  }
}

TEST(ValueGridTest, MassesAreWholeUnits) {
  const ValueGrid grid(Params(Values::kLogProbs, 0.25));
  EXPECT_EQ(grid.Mass(0), uint64_t{1} << 40);
  EXPECT_EQ(grid.Mass(4), static_cast<uint64_t>(std::llrint(std::exp(-1.0) * 0x1p40)));
  EXPECT_EQ(grid.Mass(kLargestCode), 0u);
  EXPECT_EQ(ValueGrid(Params(Values::kBf16Logits)).Mass(0), 0u);
}

TEST(ValueGridTest, RefusesStepsOutOfRange) {
  const auto expect_refused = [](double delta, double max_delta, const std::string& text) {
    EXPECT_THAT([&] { ValueGrid grid(Params(Values::kLogProbs, delta, max_delta)); },
                FailsWith(ErrorCode::kInvalidArgument, text));
  };
  for (const double delta : {0.0, -1.0, 0x1p-11, 1.01, std::nan("")}) expect_refused(delta, 0, "labels.delta is");
  for (const double max_delta : {-1.0, 0x1p-6, 2.1, std::nan("")}) {
    expect_refused(0x1p-5, max_delta, "labels.max_delta is");
  }
}

TEST(KlBoundTest, IsTheSmallerOfTwoForGradedSteps) {
  EXPECT_DOUBLE_EQ(KlBoundOf(Params(Values::kLogProbs, 0.25)), 0.25 * 0.25 / 8);
  EXPECT_DOUBLE_EQ(KlBoundOf(Params(Values::kLogProbs, 0.25, 0.25)), 0.25 * 0.25 / 8) << "not graded";
  EXPECT_EQ(KlBoundOf(Params(Values::kFp16Probs)), 0);
  // k + 1 = 4 terms, h = 1/4.
  const double delta = 0x1p-7, h = 0.25;
  EXPECT_NEAR(KlBoundOf(Params(Values::kLogProbs, delta, 0.5)), 4 * delta * delta / 4 * (std::exp(h) - 1 - h) / (h * h),
              1e-15);
  CodecParams many = Params(Values::kLogProbs, 0x1p-3, 0x1p-2);
  many.num_classes = many.k = 1000;
  EXPECT_DOUBLE_EQ(KlBoundOf(many), 0x1p-4 / 8);
}

}  // namespace
}  // namespace decant
