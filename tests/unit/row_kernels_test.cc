#include "producer/row_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "producer/top_classes.h"
#include "unit/logit_rows.h"

namespace decant {
namespace {

const std::vector<size_t> kSizes = {1, 2, 15, 16, 17, 63, 64, 65, 100, 1000, 4099};

std::vector<uint32_t> BitsOf(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

TEST(RowKernelsTest, AllInstructionSetsGiveTheSameBits) {
  const RowKernels& plain = RunnableKernels().front();
  for (const size_t size : kSizes) {
    for (const LogitRow& row : AwkwardRows(size, 1)) {
      for (const RowKernels& kernels : RunnableKernels()) {
        SCOPED_TRACE(testing::Message() << kernels.instructions << ", " << row.kind << ", " << size);
        const float* logits = row.logits.data();
        for (const size_t stride : {1u, 2u, 7u}) {
          std::vector<float> expected(RowKernels::NumBlocks(size, stride)), found(expected.size());
          EXPECT_TRUE(plain.block_maxima(logits, size, stride, expected.data()));
          EXPECT_TRUE(kernels.block_maxima(logits, size, stride, found.data()));
          EXPECT_EQ(expected, found);
        }
        const float largest = *std::max_element(row.logits.begin(), row.logits.end());
        const float bound = row.logits[size / 2];
        EXPECT_EQ(plain.count_from(logits, size, bound), kernels.count_from(logits, size, bound));
        std::vector<uint32_t> ids(size);
        std::vector<float> values(size);
        const size_t count = kernels.collect_from(logits, size, bound, ids.data(), values.data());
        ASSERT_EQ(count, plain.count_from(logits, size, bound));
        for (size_t i = 0; i < count; ++i) EXPECT_EQ(values[i], row.logits[ids[i]]);
        for (const double temperature : {0.01, 1.0, 3.7, 1e5}) {
          const ExpScale scale(largest, temperature);
          EXPECT_EQ(std::bit_cast<uint64_t>(plain.sum_below(logits, size, bound, scale)),
                    std::bit_cast<uint64_t>(kernels.sum_below(logits, size, bound, scale)));
          std::vector<float> expected(size), found(size);
          plain.exps(logits, size, scale, expected.data());
          kernels.exps(logits, size, scale, found.data());
          EXPECT_EQ(BitsOf(expected), BitsOf(found));
        }
      }
    }
  }
}

TEST(RowKernelsTest, EveryPlaceOfANumberThatIsNotFiniteIsFound) {
  for (const RowKernels& kernels : RunnableKernels()) {
    for (const size_t size : {1u, 16u, 40u, 129u}) {
      for (const size_t stride : {1u, 3u}) {
        std::vector<float> maxima(RowKernels::NumBlocks(size, stride));
        for (size_t place = 0; place < size; ++place) {
          for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
            std::vector<float> row(size, -1);
            row[place] = bad;
            EXPECT_FALSE(kernels.block_maxima(row.data(), size, stride, maxima.data())) << place;
          }
        }
      }
    }
  }
}

TEST(RowKernelsTest, ExponentialsAreRightToRounding) {
  for (const double temperature : {1e-12, 0.03, 0.7, 1.0, 3.0, 1e5, 999'999.0}) {
    std::vector<float> x;
    for (int i = 0; i < 20'000; ++i) x.push_back(static_cast<float>(-4e-3 * i * temperature));
    std::vector<float> exps(x.size());
    FastestKernels().exps(x.data(), x.size(), ExpScale(0, temperature), exps.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double distance = x[i] / temperature;
      ASSERT_NEAR(exps[i] / std::exp(distance), 1, 0x1p-22 - 1.8e-7 * distance) << distance << " at " << temperature;
    }
    EXPECT_EQ(exps[0], 1);
  }
}

TEST(RowKernelsTest, TheRangeIsThatOfAllValues) {
  for (const size_t size : kSizes) {
    for (const LogitRow& row : AwkwardRows(size, 4)) {
      for (const RowKernels& kernels : RunnableKernels()) {
        float least = 0, most = 0;
        kernels.range(row.logits.data(), size, &least, &most);
        EXPECT_EQ(least, *std::min_element(row.logits.begin(), row.logits.end()));
        EXPECT_EQ(most, *std::max_element(row.logits.begin(), row.logits.end()));
      }
    }
  }
}

TEST(TopClassesTest, AreThoseOfASort) {
  for (const size_t size : kSizes) {
    for (const LogitRow& row : AwkwardRows(size, 2)) {
      std::vector<uint32_t> ranked(size);
      std::iota(ranked.begin(), ranked.end(), 0);
      std::stable_sort(ranked.begin(), ranked.end(),
                       [&](uint32_t a, uint32_t b) { return row.logits[a] > row.logits[b]; });
      for (const size_t k : {size_t{1}, size_t{2}, size_t{10}, size / 3, size - 1, size}) {
        if (k < 1 || k > size) continue;
        SCOPED_TRACE(testing::Message() << row.kind << ", " << k << " of " << size);
        TopClasses top(size, k);
        ASSERT_TRUE(top.Find(row.logits));
        std::vector<uint32_t> expected(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(k));
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(top.ids(), expected);
        EXPECT_EQ(top.largest(), row.logits[ranked[0]]);
        const auto from_bound =
            std::count_if(row.logits.begin(), row.logits.end(), [&](float logit) { return logit >= top.bound(); });
        EXPECT_EQ(k + top.other_logits().size(), static_cast<size_t>(from_bound));
      }
    }
  }
}

TEST(TopClassesTest, FewLogitsReachTheBound) {
  const LogitRow row = AwkwardRows(20'000, 3).front();
  TopClasses top(row.logits.size(), 100);
  ASSERT_TRUE(top.Find(row.logits));
  EXPECT_LT(top.other_logits().size(), 100u);
}

}  // namespace
}  // namespace decant
