#include "decant/consumer/sparse_loss.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "decant/producer/select.h"

namespace decant {
namespace {

constexpr int64_t kBatch = 7;

LabelBatch RandomLabels(int64_t num_classes, int64_t k, double temperature, double scale) {
  torch::manual_seed(num_classes * 100 + k);
  const torch::Tensor logits = scale * torch::randn({kBatch, num_classes});
  TopKSelector selector(static_cast<uint32_t>(num_classes), static_cast<uint32_t>(k), temperature);
  LabelBatch labels;
  for (int64_t row = 0; row < kBatch; ++row) {
    selector.Append({logits[row].data_ptr<float>(), static_cast<size_t>(num_classes)}, &labels);
  }
  return labels;
}

// The dense target: the tail spread evenly over the classes that are not listed. float64 [B, C].
torch::Tensor DenseTarget(const LabelBatch& labels, int64_t num_classes) {
  const torch::Tensor target = torch::zeros({kBatch, num_classes}, torch::kFloat64);
  for (int64_t row = 0; row < kBatch; ++row) {
    const auto ids = labels.LabelIds(row);
    const auto log_probs = labels.LabelLogProbs(row);
    const auto num_unlisted = static_cast<double>(num_classes) - static_cast<double>(ids.size());
    if (num_unlisted > 0) target[row].fill_(labels.tail_mass[row] / num_unlisted);
    for (size_t entry = 0; entry < ids.size(); ++entry) {
      target[row][static_cast<int64_t>(ids[entry])] = std::exp(double{log_probs[entry]});
    }
  }
  return target;
}

struct LossAndGradient {
  torch::Tensor loss, gradient;
};

LossAndGradient Dense(const torch::Tensor& logits, const LabelBatch& labels, double temperature) {
  const torch::Tensor z = logits.detach().to(torch::kFloat64).requires_grad_();
  const torch::Tensor log_probs = torch::log_softmax(z / temperature, 1);
  const torch::Tensor loss = -(DenseTarget(labels, z.size(1)) * log_probs).sum(1).mean();
  loss.backward();
  return {loss.detach(), z.grad()};
}

LossAndGradient Sparse(const torch::Tensor& logits, const LabelBatch& labels, double temperature) {
  const torch::Tensor z = logits.detach().clone().requires_grad_();
  const torch::Tensor loss = SoftCrossEntropy(z, ToTargets(labels), temperature);
  loss.backward();
  return {loss.detach(), z.grad()};
}

struct Case {
  int64_t num_classes, k;
  double temperature;
};

class SoftCrossEntropyTest : public testing::TestWithParam<Case> {};

TEST_P(SoftCrossEntropyTest, EqualsTheDenseFormulaInValueAndGradient) {
  const auto [num_classes, k, temperature] = GetParam();
  const LabelBatch labels = RandomLabels(num_classes, k, temperature, 3);
  const torch::Tensor logits = 2 * torch::randn({kBatch, num_classes});
  const LossAndGradient sparse = Sparse(logits, labels, temperature);
  const LossAndGradient dense = Dense(logits, labels, temperature);
  EXPECT_NEAR(sparse.loss.item<double>(), dense.loss.item<double>(), 1e-5 * std::abs(dense.loss.item<double>()));
  EXPECT_LT((sparse.gradient.to(torch::kFloat64) - dense.gradient).abs().max().item<double>(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Shapes, SoftCrossEntropyTest,
                         testing::Values(Case{10, 1, 1}, Case{10, 5, 1}, Case{10, 10, 1}, Case{10, 9, 2},
                                         Case{1000, 10, 1}, Case{1000, 10, 4}, Case{1000, 1000, 1}, Case{2, 1, 0.5}));

TEST(SoftCrossEntropyPropertiesTest, HardLabelsGiveOrdinaryCrossEntropy) {
  LabelBatch labels;
  std::vector<int64_t> classes;
  for (uint32_t row = 0; row < kBatch; ++row) {
    classes.push_back(row % 4);
    labels.Append(std::vector{row % 4}, std::vector{0.0f}, 0);
  }
  const torch::Tensor logits = torch::randn({kBatch, 4});
  const double expected = torch::nn::functional::cross_entropy(logits, torch::tensor(classes)).item<double>();
  EXPECT_NEAR(SoftCrossEntropy(logits, ToTargets(labels), 1).item<double>(), expected, 1e-6);
}

TEST(SoftCrossEntropyPropertiesTest, LabelsOfDifferentLengthsShareABatch) {
  LabelBatch labels;
  labels.Append(std::vector{0u, 3u}, std::vector{std::log(0.5f), std::log(0.25f)}, 0.25f);
  labels.Append(std::vector{1u}, std::vector{std::log(0.9f)}, 0.1f);
  for (int row = 2; row < kBatch; ++row) labels.Append(std::vector{2u}, std::vector{0.0f}, 0);
  const torch::Tensor logits = torch::randn({kBatch, 5});
  const LossAndGradient sparse = Sparse(logits, labels, 1), dense = Dense(logits, labels, 1);
  EXPECT_NEAR(sparse.loss.item<double>(), dense.loss.item<double>(), 1e-6);
  EXPECT_LT((sparse.gradient.to(torch::kFloat64) - dense.gradient).abs().max().item<double>(), 1e-6);
}

TEST(SoftCrossEntropyPropertiesTest, SurvivesLargeLogitsAndTinyTails) {
  LabelBatch labels;
  for (int row = 0; row < kBatch; ++row) labels.Append(std::vector{1u}, std::vector{-1e-8f}, 1e-8f);
  const torch::Tensor logits = 1e4 * torch::randn({kBatch, 6});
  const LossAndGradient sparse = Sparse(logits, labels, 1);
  EXPECT_TRUE(torch::isfinite(sparse.loss).item<bool>());
  EXPECT_TRUE(torch::isfinite(sparse.gradient).all().item<bool>());
}

TEST(SoftCrossEntropyPropertiesTest, GradientAgreesWithFiniteDifferences) {
  const LabelBatch labels = RandomLabels(6, 3, 2, 2);
  const torch::Tensor logits = torch::randn({kBatch, 6});
  const torch::Tensor gradient = Sparse(logits, labels, 2).gradient;
  constexpr double kStep = 1e-2;
  for (int64_t c = 0; c < 6; ++c) {
    torch::Tensor up = logits.clone(), down = logits.clone();
    up[3][c] += kStep;
    down[3][c] -= kStep;
    const double slope = (Sparse(up, labels, 2).loss - Sparse(down, labels, 2).loss).item<double>() / (2 * kStep);
    EXPECT_NEAR(gradient[3][c].item<double>(), slope, 2e-4) << "class " << c;
  }
}

}  // namespace
}  // namespace decant
