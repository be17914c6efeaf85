#include "rank_on_device.h"

#include <gtest/gtest.h>

#include "unit/errors.h"

namespace decant {
namespace {

// Labels of the same rows, ranked by tensor operations and by LabelSelector.
void ExpectSameLabels(const torch::Tensor& logits, const CodecParams& params, const Selection& selection) {
  LabelSelector selector(params, selection, 0);
  const auto num_rows = static_cast<size_t>(logits.size(0));
  std::vector<uint32_t> true_classes;
  for (size_t row = 0; row < num_rows; ++row) true_classes.push_back(row * 7 % params.num_classes);
  const RankedRows ranked = RankOnDevice(logits, params.k, params.temperatures, true_classes);
  LabelBatch found, expected;
  for (size_t row = 0; row < num_rows; ++row) {
    const SelectedView view = {.sample_id = row, .true_class = true_classes[row]};
    EXPECT_TRUE(ranked.all_finite[row]);
    selector.AppendRanked(ranked.Row(row), view, &found);
    const torch::Tensor whole = logits[static_cast<int64_t>(row)].contiguous();
    selector.Append({whole.data_ptr<float>(), params.num_classes}, view, &expected);
  }
  EXPECT_EQ(found.ids, expected.ids);
  EXPECT_EQ(found.offsets, expected.offsets);
  const auto expect_near = [](const std::vector<float>& a, const std::vector<float>& b, float relative) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], relative * std::abs(b[i]) + 1e-6f) << i;
  };
  expect_near(found.log_probs, expected.log_probs, 1e-6f);
  expect_near(found.tail_mass, expected.tail_mass, 2e-5f);
  expect_near(found.other_tails, expected.other_tails, 2e-5f);
  expect_near(found.true_log_probs, expected.true_log_probs, 1e-6f);
}

TEST(RankOnDeviceTest, EqualsTheSelectorOnTheHost) {
  torch::manual_seed(3);
  for (const int64_t num_classes : {2, 10, 1000}) {
    const torch::Tensor logits = torch::randn({20, num_classes}) * 4;
    for (const uint32_t k : {1u, 2u, 10u, 100u}) {
      if (k > num_classes) continue;
      const CodecParams params = {
          .num_classes = static_cast<uint32_t>(num_classes), .k = k, .temperatures = {1, 0.5, 4}, .true_label = true};
      ExpectSameLabels(logits, params, {});
      ExpectSameLabels(logits, params, {.kind = Selection::kTopP, .p = 0.8});
    }
  }
}

TEST(RankOnDeviceTest, OfEqualLogitsTheSmallerIdIsListed) {
  torch::manual_seed(4);
  // Sixteen values for 500 classes, zeros of both signs among them.
  const torch::Tensor logits =
      torch::randint(-8, 8, {30, 500}).to(torch::kFloat32) * torch::tensor({1.0f, -0.25f}).repeat({250});
  ExpectSameLabels(logits, {.num_classes = 500, .k = 7, .true_label = true}, {});
  const torch::Tensor equal = torch::zeros({1, 6});
  EXPECT_EQ(RankOnDevice(equal, 3, std::vector<double>{1}, {}).ids, (std::vector<uint32_t>{0, 1, 2}));
  const torch::Tensor zeros = torch::tensor({-1.0f, 0.0f, -0.0f, 0.0f}).unsqueeze(0);
  EXPECT_EQ(RankOnDevice(zeros, 2, std::vector<double>{1}, {}).ids, (std::vector<uint32_t>{1, 2}));
}

TEST(RankOnDeviceTest, TheTailIsSummedItself) {
  const torch::Tensor logits = torch::tensor({50.0f, 0.0f, 1.0f, -3.0f}).unsqueeze(0);
  const RankedRows rows = RankOnDevice(logits, 1, std::vector<double>{1}, {});
  const double tail = (1 + std::exp(1.0) + std::exp(-3.0)) * std::exp(-50.0);
  EXPECT_NEAR(rows.tail_mass[0] / tail, 1, 1e-9);
  EXPECT_EQ(RankOnDevice(logits, 4, std::vector<double>{1}, {}).tail_mass[0], 0);
}

TEST(RankOnDeviceTest, RowsThatAreNotFiniteAreMarked) {
  torch::Tensor logits = torch::ones({4, 5});
  logits[1][2] = std::numeric_limits<float>::quiet_NaN();
  logits[2][4] = -std::numeric_limits<float>::infinity();
  const RankedRows rows = RankOnDevice(logits, 2, std::vector<double>{1}, {});
  EXPECT_EQ(rows.all_finite, (std::vector<uint8_t>{1, 0, 0, 1}));
}

}  // namespace
}  // namespace decant
