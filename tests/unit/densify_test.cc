#include "decant/consumer/densify.h"

#include <cmath>

#include <gtest/gtest.h>

#include "decant/base/half.h"

#include "unit/errors.h"
#include "unit/random_labels.h"

namespace decant {
namespace {

template <typename Number>
std::vector<Number> Dense(const LabelBatch& labels, const DensifyOptions& options) {
  std::vector<Number> rows(labels.size() * DenseColumns(options), Number{7});
  Densify(labels, options, std::as_writable_bytes(std::span(rows)));
  return rows;
}

const LabelBatch& TwoLabels() {
  static const LabelBatch kLabels = [] {
    LabelBatch labels;
    labels.Append(std::vector{3u, 0u}, std::vector{std::log(0.5f), std::log(0.2f)}, 0.3f);
    labels.Append(std::vector{0u, 1u, 2u, 3u}, std::vector(4, std::log(0.25f)), 0);
    return labels;
  }();
  return kLabels;
}

void ExpectNear(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-6) << i;
}

TEST(DensifyTest, ATailGoesWhereItsRuleSays) {
  ExpectNear(Dense<float>(TwoLabels(), {.num_classes = 4, .tail = TailRule::kUniform}),
             {0.2f, 0.15f, 0.15f, 0.5f, 0.25f, 0.25f, 0.25f, 0.25f});
  ExpectNear(Dense<float>(TwoLabels(), {.num_classes = 4, .tail = TailRule::kRenormalise}),
             {2.0f / 7, 0, 0, 5.0f / 7, 0.25f, 0.25f, 0.25f, 0.25f});
  ExpectNear(Dense<float>(TwoLabels(), {.num_classes = 4, .tail = TailRule::kGhost}),
             {0.2f, 0, 0, 0.5f, 0.3f, 0.25f, 0.25f, 0.25f, 0.25f, 0});
}

TEST(DensifyTest, SixteenBitNumbersAreTheRoundedOnes) {
  const LabelBatch labels = RandomLabels({.num_labels = 9, .num_classes = 100, .k = 7, .seed = 3});
  for (const TailRule rule : {TailRule::kUniform, TailRule::kRenormalise, TailRule::kGhost}) {
    DensifyOptions options = {.num_classes = 100, .tail = rule};
    const std::vector<float> exact = Dense<float>(labels, options);
    options.type = DenseType::kBfloat16;
    const auto bf16 = Dense<uint16_t>(labels, options);
    options.type = DenseType::kFloat16;
    const auto fp16 = Dense<uint16_t>(labels, options);
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_EQ(bf16[i], FloatToBf16(exact[i]));
      EXPECT_EQ(fp16[i], FloatToFp16(exact[i]));
    }
  }
}

TEST(DensifyTest, ThreadsWriteTheSame) {
  const LabelBatch labels = RandomLabels({.num_labels = 11, .num_classes = 50, .k = 5, .seed = 4});
  const std::vector<float> expected = Dense<float>(labels, {.num_classes = 50});
  for (const unsigned threads : {0u, 2u, 3u, 4u, 11u, 50u}) {
    EXPECT_EQ(Dense<float>(labels, {.num_classes = 50, .threads = threads}), expected) << threads;
  }
  EXPECT_TRUE(Dense<float>(LabelBatch(), {.num_classes = 50, .threads = 4}).empty());
}

// Many rows go past the caches, one by one they do not: both ways write the same, wherever a buffer begins.
template <typename Number>
void ExpectRowsLikeAlone(DenseType type) {
  constexpr uint32_t kClasses = 40009;
  const LabelBatch labels = RandomLabels({.num_labels = 80, .num_classes = kClasses, .k = 300, .seed = 5});
  for (const TailRule rule : {TailRule::kUniform, TailRule::kGhost}) {
    const DensifyOptions options = {.num_classes = kClasses, .tail = rule, .type = type, .threads = 3};
    const size_t columns = DenseColumns(options);
    for (const size_t shift : {0u, 1u, 15u}) {
      std::vector<Number> buffer(shift + labels.size() * columns + 1, Number{7});
      Densify(labels, options, std::as_writable_bytes(std::span(buffer).subspan(shift, labels.size() * columns)));
      EXPECT_EQ(buffer.back(), Number{7});
      for (size_t i = 0; i < labels.size(); ++i) {
        LabelBatch one;
        one.AppendRange(labels, i, i + 1);
        const std::vector<Number> expected = Dense<Number>(one, options);
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(),
                               buffer.begin() + static_cast<std::ptrdiff_t>(shift + i * columns)))
            << "row " << i << ", rule " << static_cast<int>(rule) << ", shift " << shift;
      }
    }
  }
}

TEST(DensifyTest, ManyRowsAreLikeOnesAlone) {
  ExpectRowsLikeAlone<float>(DenseType::kFloat32);
  ExpectRowsLikeAlone<uint16_t>(DenseType::kFloat16);
}

TEST(DensifyTest, RefusesWhatDoesNotFit) {
  std::vector<float> rows(7);
  EXPECT_THAT([&] { Densify(TwoLabels(), {.num_classes = 4}, std::as_writable_bytes(std::span(rows))); },
              FailsWith(ErrorCode::kInvalidArgument, "a buffer of 28 bytes for 2 dense labels of 4 columns"));
  rows.resize(6);
  EXPECT_THAT([&] { Densify(TwoLabels(), {.num_classes = 3}, std::as_writable_bytes(std::span(rows))); },
              FailsWith(ErrorCode::kInvalidArgument, "lists class 3, but there are 3 classes"));
}

}  // namespace
}  // namespace decant
