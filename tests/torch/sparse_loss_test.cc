#include "decant/consumer/sparse_loss.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "decant/consumer/densify.h"
#include "decant/producer/select.h"

#include "unit/errors.h"

namespace decant {
namespace {

constexpr int64_t kRows = 7;

LabelBatch RandomLabels(int64_t num_classes, int64_t k, double temperature, double scale) {
  torch::manual_seed(num_classes * 100 + k);
  const torch::Tensor logits = scale * torch::randn({kRows, num_classes});
  TopKSelector selector(static_cast<uint32_t>(num_classes), static_cast<uint32_t>(k), temperature);
  LabelBatch labels;
  for (int64_t row = 0; row < kRows; ++row) {
    selector.Append({logits[row].data_ptr<float>(), static_cast<size_t>(num_classes)}, &labels);
  }
  return labels;
}

HardTargets RandomClasses(int64_t num_classes) {
  const torch::Tensor shares = torch::rand({kRows, 1});
  return {.classes = torch::randint(num_classes, {kRows, 2}, torch::kInt64),
          .shares = torch::cat({shares, 1 - shares}, 1)};
}

// The dense target of each rule, float64 [N, C]; [N, C + 1] with the ghost's class at the end.
torch::Tensor DenseTarget(const LabelBatch& labels, int64_t num_classes, TailRule rule) {
  const bool has_ghost = rule == TailRule::kGhost;
  const torch::Tensor target = torch::zeros({kRows, num_classes + (has_ghost ? 1 : 0)}, torch::kFloat64);
  for (int64_t row = 0; row < kRows; ++row) {
    const auto ids = labels.LabelIds(row);
    const auto log_probs = labels.LabelLogProbs(row);
    const int64_t num_unlisted = num_classes - static_cast<int64_t>(ids.size());
    const double tail = num_unlisted > 0 ? double{labels.tail_mass[row]} : 0;
    if (rule == TailRule::kUniform && num_unlisted > 0) target[row].fill_(tail / static_cast<double>(num_unlisted));
    for (size_t i = 0; i < ids.size(); ++i) target[row][static_cast<int64_t>(ids[i])] = std::exp(double{log_probs[i]});
    if (rule == TailRule::kRenormalise) target[row] /= target[row].sum();
    if (has_ghost) target[row][num_classes] = tail;
  }
  return target;
}

// log softmax, with the logarithm of what the classes have that a label does not list as one more column.
torch::Tensor LogProbs(const torch::Tensor& x, const LabelBatch& labels, TailRule rule) {
  const torch::Tensor log_probs = torch::log_softmax(x, 1);
  if (rule != TailRule::kGhost) return log_probs;
  const torch::Tensor is_unlisted = torch::ones_like(x, torch::kBool);
  for (int64_t row = 0; row < kRows; ++row) {
    for (const uint32_t id : labels.LabelIds(row)) is_unlisted[row][static_cast<int64_t>(id)] = false;
  }
  const torch::Tensor rest = (log_probs.exp() * is_unlisted).sum(1, /*keepdim=*/true);
  return torch::cat({log_probs, rest.clamp_min(1e-300).log()}, 1);
}

torch::Tensor CrossEntropy(const torch::Tensor& target, const torch::Tensor& log_probs) {
  return -torch::where(target > 0, target * log_probs, torch::zeros_like(target)).sum(1);
}

// The formula as it is written down, in float64, [N].
torch::Tensor DenseLosses(const torch::Tensor& z, const LabelBatch& labels, const HardTargets& hard,
                          const LossOptions& options) {
  const double t = options.temperature;
  const torch::Tensor soft = DenseTarget(labels, z.size(1), options.tail);
  torch::Tensor losses = CrossEntropy(soft, LogProbs(z / t, labels, options.tail));
  if (options.divergence) losses = losses - CrossEntropy(soft, soft.clamp_min(1e-300).log());
  losses = losses * (options.alpha * t * t);
  if (options.alpha == 1) return losses;
  const double e = options.label_smoothing;
  torch::Tensor classes = torch::full_like(z.detach(), e / static_cast<double>(z.size(1)));
  classes.scatter_add_(1, hard.classes, (1 - e) * hard.shares.to(torch::kFloat64));
  return losses + (1 - options.alpha) * CrossEntropy(classes, torch::log_softmax(z, 1));
}

struct LossAndGradient {
  double loss;
  torch::Tensor gradient;  // float64
};

LossAndGradient Differentiate(const torch::Tensor& logits, const std::function<torch::Tensor(torch::Tensor)>& loss_of) {
  const torch::Tensor z = logits.detach().clone().requires_grad_();
  const torch::Tensor loss = loss_of(z);
  loss.backward();
  return {loss.item<double>(), z.grad().to(torch::kFloat64)};
}

struct Shape {
  int64_t num_classes, k;
};

class DistillationLossTest : public testing::TestWithParam<std::tuple<Shape, double, TailRule>> {
 protected:
  const int64_t num_classes_ = std::get<0>(GetParam()).num_classes;
  const double temperature_ = std::get<1>(GetParam());
  const LabelBatch labels_ = RandomLabels(num_classes_, std::get<0>(GetParam()).k, temperature_, 3);
  const SoftTargets soft_ = ToTargets(labels_, temperature_);
  const HardTargets hard_ = RandomClasses(num_classes_);
  const torch::Tensor logits_ = 2 * torch::randn({kRows, num_classes_});
  LossOptions options_ = {.tail = std::get<2>(GetParam()), .temperature = temperature_};

  // The fused loops, and the tensor operations that stand in for them elsewhere, against the formula.
  void ExpectDense() {
    const LossAndGradient dense = Differentiate(logits_.to(torch::kFloat64), [&](const torch::Tensor& z) {
      return DenseLosses(z, labels_, hard_, options_).mean();
    });
    const double scale = options_.alpha * temperature_ * temperature_ + 1;
    for (const auto type : {torch::kFloat32, torch::kFloat64}) {
      SCOPED_TRACE(fmt::format("{}, alpha {}, KL {}", torch::toString(type), options_.alpha, options_.divergence));
      const LossAndGradient sparse = Differentiate(
          logits_.to(type), [&](const torch::Tensor& z) { return DistillationLoss(z, soft_, hard_, options_); });
      const double rounding = type == torch::kFloat32 ? 1e-5 : 2e-6;  // the labels are float32
      EXPECT_NEAR(sparse.loss, dense.loss, rounding * (std::abs(dense.loss) + scale));
      EXPECT_LT((sparse.gradient - dense.gradient).abs().max().item<double>(), 1e-6 * scale);
    }
  }
};

TEST_P(DistillationLossTest, EqualsTheDenseFormulaInValueAndGradient) {
  ExpectDense();
  options_.divergence = true;
  ExpectDense();
  options_.alpha = 0.7;
  options_.label_smoothing = 0.1;
  ExpectDense();
  options_.alpha = 0;
  ExpectDense();
}

TEST_P(DistillationLossTest, GradientAgreesWithFiniteDifferences) {
  options_.alpha = 0.6;
  const torch::Tensor z = logits_.to(torch::kFloat64);
  const auto loss_of = [&](const torch::Tensor& x) { return DistillationLoss(x, soft_, hard_, options_); };
  const torch::Tensor gradient = Differentiate(logits_, loss_of).gradient;
  constexpr double kStep = 1e-4;
  for (int64_t c = 0; c < std::min<int64_t>(num_classes_, 12); ++c) {
    torch::Tensor up = z.clone(), down = z.clone();
    up[3][c] += kStep;
    down[3][c] -= kStep;
    const double slope = (loss_of(up) - loss_of(down)).item<double>() / (2 * kStep);
    EXPECT_NEAR(gradient[3][c].item<double>(), slope, 2e-6 * (1 + temperature_ * temperature_)) << "class " << c;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, DistillationLossTest,
                         testing::Combine(testing::Values(Shape{2, 1}, Shape{10, 1}, Shape{10, 5}, Shape{10, 9},
                                                          Shape{10, 10}, Shape{1000, 10}, Shape{1000, 1000}),
                                          testing::Values(0.5, 1, 2, 4),
                                          testing::Values(TailRule::kUniform, TailRule::kRenormalise,
                                                          TailRule::kGhost)));

TEST(DistillationLossPropertiesTest, DensifiedLabelsAreTheTargetsThatTheLossIsEqualTo) {
  const LabelBatch labels = RandomLabels(50, 5, 1, 3);
  for (const TailRule rule : {TailRule::kUniform, TailRule::kRenormalise, TailRule::kGhost}) {
    const torch::Tensor expected = DenseTarget(labels, 50, rule);
    const torch::Tensor dense = torch::empty(expected.sizes());
    Densify(labels, {.num_classes = 50, .tail = rule},
            std::as_writable_bytes(std::span(dense.data_ptr<float>(), static_cast<size_t>(dense.numel()))));
    EXPECT_LT((dense.to(torch::kFloat64) - expected).abs().max().item<double>(), 1e-6);
  }
}

TEST(DistillationLossPropertiesTest, HardTargetsGiveOrdinaryCrossEntropyWithLabelSmoothing) {
  const torch::Tensor logits = torch::randn({kRows, 9});
  const torch::Tensor classes = torch::randint(9, {kRows}, torch::kInt64);
  const HardTargets hard = {.classes = classes.unsqueeze(1), .shares = torch::ones({kRows, 1})};
  for (const double smoothing : {0.0, 0.1}) {
    const auto options = torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(smoothing);
    EXPECT_NEAR(DistillationLoss(logits, {}, hard, {.alpha = 0, .label_smoothing = smoothing}).item<double>(),
                torch::nn::functional::cross_entropy(logits, classes, options).item<double>(), 1e-6);
  }
}

TEST(DistillationLossPropertiesTest, TheTeachersLikeliestClassIsHalfOfHardDistillation) {
  LabelBatch labels;
  labels.Append(std::vector{7u, 3u}, std::vector{std::log(0.4f), std::log(0.4f)}, 0.2f);
  labels.Append(std::vector{1u}, std::vector{std::log(0.9f)}, 0.1f);
  const SoftTargets soft = ToTargets(labels, 1);
  EXPECT_TRUE(LikeliestClasses(soft).equal(torch::tensor({3, 1}, torch::kInt64))) << "the smaller id of equal ones";
  const HardTargets hard = {.classes = torch::tensor({{5}, {1}}, torch::kInt64), .shares = torch::ones({2, 1})};
  const torch::Tensor logits = torch::randn({2, 9});
  const torch::Tensor log_probs = torch::log_softmax(logits, 1);
  const double expected = -(0.5 * log_probs[0][5] + 0.5 * log_probs[0][3] + log_probs[1][1]).item<double>() / 2;
  EXPECT_NEAR(DistillationLoss(logits, {}, WithTeachersClass(hard, soft), {.alpha = 0}).item<double>(), expected, 1e-6);
}

TEST(DistillationLossPropertiesTest, LabelsOfDifferentLengthsShareABatch) {
  LabelBatch labels;
  labels.Append(std::vector{0u, 3u}, std::vector{std::log(0.5f), std::log(0.25f)}, 0.25f);
  labels.Append(std::vector{1u}, std::vector{std::log(0.9f)}, 0.1f);
  for (int row = 2; row < kRows; ++row) labels.Append(std::vector{2u}, std::vector{0.0f}, 0);
  const torch::Tensor logits = torch::randn({kRows, 5});
  for (const TailRule rule : {TailRule::kUniform, TailRule::kRenormalise, TailRule::kGhost}) {
    const LossOptions options = {.tail = rule};
    const double dense = DenseLosses(logits.to(torch::kFloat64), labels, {}, options).mean().item<double>();
    for (const auto type : {torch::kFloat32, torch::kFloat64}) {
      EXPECT_NEAR(DistillationLoss(logits.to(type), ToTargets(labels, 1), {}, options).item<double>(), dense, 2e-6);
    }
  }
}

TEST(DistillationLossPropertiesTest, WeightsLeavePaddingOutAndRanksAddUp) {
  const LabelBatch labels = RandomLabels(30, 4, 2, 3);
  const SoftTargets soft = ToTargets(labels, 2);
  const LossOptions options = {.temperature = 2};
  torch::Tensor logits = torch::randn({kRows, 30});
  const torch::Tensor weights = torch::tensor({1.0f, 0.0f, 1.0f, 1.0f, 0.0f, 1.0f, 1.0f});
  logits[1].fill_(std::numeric_limits<float>::quiet_NaN());  // what padding computes does not matter
  logits[4].fill_(1e30f);
  const torch::Tensor kept = (weights > 0).nonzero().flatten();
  const torch::Tensor dense = DenseLosses(logits.to(torch::kFloat64), labels, {}, options).index({kept});
  LossAndGradient all;
  for (const auto type : {torch::kFloat64, torch::kFloat32}) {
    all = Differentiate(logits.to(type),
                        [&](const torch::Tensor& z) { return DistillationLoss(z, soft, {}, options, weights); });
    EXPECT_NEAR(all.loss, dense.mean().item<double>(), 1e-5);
    EXPECT_EQ(all.gradient[1].abs().max().item<double>(), 0);
  }
  double sum = 0;
  for (const auto& [begin, end] : {std::pair{0, 3}, std::pair{3, 7}}) {
    const auto part = [from = begin, to = end](const torch::Tensor& rows) { return rows.slice(0, from, to); };
    const SoftTargets of_rank = {part(soft.ids), part(soft.probs), part(soft.sizes), part(soft.tail), 2};
    sum += DistillationLoss(part(logits), of_rank, {}, options, part(weights), 5).item<double>();
  }
  EXPECT_NEAR(sum, all.loss, 1e-5);
}

TEST(DistillationLossPropertiesTest, SurvivesLargeLogitsAndTinyTails) {
  for (const float tail : {1e-8f, 0.0f}) {
    LabelBatch labels;
    for (int row = 0; row < kRows; ++row) labels.Append(std::vector{1u}, std::vector{std::log1p(-tail)}, tail);
    for (const double scale : {1.0, 1e2, 1e4}) {
      const torch::Tensor logits = scale * torch::randn({kRows, 600});
      for (const TailRule rule : {TailRule::kUniform, TailRule::kRenormalise, TailRule::kGhost}) {
        SCOPED_TRACE(fmt::format("tail {}, logits of {}, rule {}", tail, scale, static_cast<int>(rule)));
        const LossOptions options = {.tail = rule};
        const LossAndGradient sparse = Differentiate(
            logits, [&](const torch::Tensor& z) { return DistillationLoss(z, ToTargets(labels, 1), {}, options); });
        EXPECT_TRUE(torch::isfinite(sparse.gradient).all().item<bool>());
        // The rest's share underflows in the dense formula where the loops still have its logarithm.
        if (rule == TailRule::kGhost && scale > 1e2) {
          EXPECT_TRUE(std::isfinite(sparse.loss));
          continue;
        }
        const LossAndGradient dense = Differentiate(logits.to(torch::kFloat64), [&](const torch::Tensor& z) {
          return DenseLosses(z, labels, {}, options).mean();
        });
        EXPECT_NEAR(sparse.loss, dense.loss, 1e-5 * (1 + std::abs(dense.loss)));
        EXPECT_LT((sparse.gradient - dense.gradient).abs().max().item<double>(), 1e-6);
      }
    }
  }
}

TEST(DistillationLossPropertiesTest, ANumberThatIsNoneIsNotHidden) {
  const SoftTargets soft = ToTargets(RandomLabels(20, 3, 1, 3), 1);
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const TailRule rule : {TailRule::kUniform, TailRule::kRenormalise, TailRule::kGhost}) {
      for (int64_t c = 0; c < 20; ++c) {
        torch::Tensor logits = torch::randn({kRows, 20});
        logits[2][c] = poison;
        EXPECT_FALSE(std::isfinite(DistillationLoss(logits, soft, {}, {.tail = rule}).item<double>())) << c;
      }
    }
  }
}

TEST(DistillationLossPropertiesTest, RefusesWhatDoesNotFit) {
  const SoftTargets soft = ToTargets(RandomLabels(20, 3, 1, 3), 1);
  const torch::Tensor logits = torch::randn({kRows, 20});
  const auto refused = [&](const torch::Tensor& z, const SoftTargets& s, const HardTargets& h,
                           const LossOptions& options, ErrorCode code, const char* text) {
    EXPECT_THAT([&] { DistillationLoss(z, s, h, options); }, FailsWith(code, text));
  };
  const auto kBad = ErrorCode::kInvalidArgument;
  refused(logits, soft, {}, {.temperature = 2}, ErrorCode::kMismatch, "at temperature 2, but the labels hold at 1");
  refused(torch::randn({kRows, 2}), soft, {}, {}, kBad, "but the student has 2 classes");
  refused(torch::randn({kRows - 1, 20}), soft, {}, {}, kBad, "ids of a loss: expected Long [6, 3], found Long [7, 3]");
  refused(torch::randn({20}), soft, {}, {}, kBad, "expected floating-point [N, C], found Float [20]");
  refused(logits, soft, {}, {.alpha = 0.5}, kBad, "classes of a loss");
  refused(logits, soft, {}, {.alpha = 1.5}, kBad, "alpha 1.5");
  refused(logits, {}, {}, {}, kBad, "found nothing");
}

}  // namespace
}  // namespace decant
