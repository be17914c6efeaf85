#include "decant/consumer/sparse_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <sys/mman.h>

#include "decant/base/error.h"
#include "decant/consumer/row_loss.h"

#include "tensor_loss.h"

namespace decant {
namespace {

template <typename T>
std::span<const T> Row(const torch::Tensor& rows, int64_t row, int64_t size) {
  return {rows.data_ptr<T>() + row * rows.size(1), static_cast<size_t>(size)};
}

RowTarget TargetOf(const SoftTargets& soft, const HardTargets& hard, int64_t row) {
  RowTarget target;
  if (soft.ids.defined()) {
    const int64_t size = soft.sizes.data_ptr<int64_t>()[row];
    target.ids = Row<int64_t>(soft.ids, row, size);
    target.probs = Row<float>(soft.probs, row, size);
    target.tail = soft.tail.data_ptr<float>()[row];
  }
  if (hard.classes.defined()) {
    target.classes = Row<int64_t>(hard.classes, row, hard.classes.size(1));
    target.shares = Row<float>(hard.shares, row, hard.shares.size(1));
  }
  return target;
}

std::span<const float> LogitsOf(const torch::Tensor& logits, int64_t row) {
  return Row<float>(logits, row, logits.size(1));
}

// Rows by threads; about 2^15 logits are worth one.
void ForEachRow(const torch::Tensor& logits, const std::function<void(int64_t)>& body) {
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, logits.size(1)));
  at::parallel_for(0, logits.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

// Fresh memory costs a fault a page, which for gradients of tens of megabytes takes longer than computing them: asks
// for pages of 2 MiB where the system has them.
void AskForHugePages(void* begin, size_t size) {
  constexpr uintptr_t kHugePage = 2 << 20;
  const auto first = (reinterpret_cast<uintptr_t>(begin) + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(begin) + size) / kHugePage * kHugePage;
  if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
}

// The loss over rows in memory; saves what RowLossGradient() needs.
class RowsFunction : public torch::autograd::Function<RowsFunction> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& logits,
                               const SoftTargets& soft, const HardTargets& hard, const RowLossOptions& options,
                               const torch::Tensor& scales) {
    static_assert(sizeof(RowSums) == kNumSums * sizeof(double));
    const torch::Tensor sums = torch::zeros({logits.size(0), kNumSums}, torch::kFloat64);
    const torch::Tensor losses = torch::zeros({logits.size(0)}, torch::kFloat64);
    auto* const sums_of = reinterpret_cast<RowSums*>(sums.data_ptr<double>());
    auto* const loss_of = losses.data_ptr<double>();
    const auto* const scale_of = scales.data_ptr<double>();
    ForEachRow(logits, [&](int64_t row) {
      if (scale_of[row] == 0) return;
      loss_of[row] = scale_of[row] * RowLoss(LogitsOf(logits, row), TargetOf(soft, hard, row), options, &sums_of[row]);
    });
    context->save_for_backward(
        {logits, soft.ids, soft.probs, soft.sizes, soft.tail, hard.classes, hard.shares, scales, sums});
    context->saved_data["tail"] = static_cast<int64_t>(options.tail);
    context->saved_data["numbers"] =
        std::vector<double>{options.temperature, options.soft_weight, options.hard_weight, options.label_smoothing};
    return losses.sum().to(torch::kFloat32);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor& logits = saved[0];
    const SoftTargets soft = {.ids = saved[1], .probs = saved[2], .sizes = saved[3], .tail = saved[4]};
    const HardTargets hard = {.classes = saved[5], .shares = saved[6]};
    const std::vector<double> numbers = context->saved_data["numbers"].toDoubleVector();
    const RowLossOptions options = {.tail = static_cast<TailRule>(context->saved_data["tail"].toInt()),
                                    .temperature = numbers[0],
                                    .soft_weight = numbers[1],
                                    .hard_weight = numbers[2],
                                    .label_smoothing = numbers[3]};
    const auto* const scale_of = saved[7].data_ptr<double>();
    const auto* const sums_of = reinterpret_cast<const RowSums*>(saved[8].data_ptr<double>());
    const double outer = outputs[0].item<double>();
    const torch::Tensor gradient = torch::empty_like(logits);
    auto* const first = gradient.data_ptr<float>();
    AskForHugePages(first, gradient.nbytes());
    ForEachRow(logits, [&](int64_t row) {
      float* const of_row = first + row * logits.size(1);
      if (scale_of[row] == 0) {
        std::fill_n(of_row, logits.size(1), 0.0f);
      } else {
        RowLossGradient(LogitsOf(logits, row), TargetOf(soft, hard, row), options, sums_of[row], outer * scale_of[row],
                        of_row);
      }
    });
    const torch::Tensor none;
    return {gradient, none, none, none, none};
  }

 private:
  static constexpr int64_t kNumSums = 5;
};

void CheckShape(std::string_view what, const torch::Tensor& tensor, torch::ScalarType type,
                std::vector<int64_t> expected) {
  if (tensor.defined() && tensor.scalar_type() == type && tensor.sizes() == expected) return;
  const std::string found =
      tensor.defined() ? fmt::format("{} [{}]", torch::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), ", "))
                       : "nothing";
  Fail(ErrorCode::kInvalidArgument, "{} of a loss: expected {} [{}], found {}", what, torch::toString(type),
       fmt::join(expected, ", "), found);
}

void CheckClasses(std::string_view what, const torch::Tensor& classes, int64_t num_classes) {
  if (classes.numel() == 0) return;
  const auto least = classes.min().item<int64_t>();
  const auto most = classes.max().item<int64_t>();
  if (least >= 0 && most < num_classes) return;
  Fail(ErrorCode::kInvalidArgument, "{} of a loss: class {}, but the student has {} classes", what,
       least < 0 ? least : most, num_classes);
}

void CheckSoft(const SoftTargets& soft, int64_t num_rows, int64_t num_classes, double temperature) {
  if (soft.temperature != temperature) {
    Fail(ErrorCode::kMismatch,
         "a loss at temperature {}, but the labels hold at {}: a label cannot be tempered afterwards; use {}, or label "
         "again with that temperature",
         temperature, soft.temperature, soft.temperature);
  }
  const int64_t num_entries = soft.ids.defined() && soft.ids.dim() == 2 ? soft.ids.size(1) : 1;
  CheckShape("ids", soft.ids, torch::kInt64, {num_rows, num_entries});
  CheckShape("probs", soft.probs, torch::kFloat32, {num_rows, num_entries});
  CheckShape("sizes", soft.sizes, torch::kInt64, {num_rows});
  CheckShape("tail", soft.tail, torch::kFloat32, {num_rows});
  CheckClasses("ids", soft.ids, num_classes);
  CheckClasses("sizes", soft.sizes, std::min(num_entries, num_classes) + 1);
}

void CheckHard(const HardTargets& hard, int64_t num_rows, int64_t num_classes) {
  const int64_t num_targets = hard.classes.defined() && hard.classes.dim() == 2 ? hard.classes.size(1) : 1;
  CheckShape("classes", hard.classes, torch::kInt64, {num_rows, num_targets});
  CheckShape("shares", hard.shares, torch::kFloat32, {num_rows, num_targets});
  CheckClasses("classes", hard.classes, num_classes);
}

RowLossOptions Resolve(const LossOptions& options) {
  if (!(options.temperature > 0) || !(options.alpha >= 0 && options.alpha <= 1) ||
      !(options.label_smoothing >= 0 && options.label_smoothing < 1)) {
    Fail(ErrorCode::kInvalidArgument,
         "a loss with temperature {}, alpha {}, label smoothing {}: expected above 0, in [0, 1], in [0, 1)",
         options.temperature, options.alpha, options.label_smoothing);
  }
  return {.tail = options.tail,
          .temperature = options.temperature,
          .soft_weight = options.alpha * options.temperature * options.temperature,
          .hard_weight = 1 - options.alpha,
          .label_smoothing = options.label_smoothing,
          .divergence = options.divergence};
}

}  // namespace

SoftTargets ToTargets(const LabelBatch& labels, double temperature) {
  const auto num_labels = static_cast<int64_t>(labels.size());
  size_t largest = 1;
  for (size_t i = 0; i < labels.size(); ++i) largest = std::max(largest, labels.LabelIds(i).size());
  const auto num_entries = static_cast<int64_t>(largest);
  SoftTargets targets = {.ids = torch::zeros({num_labels, num_entries}, torch::kInt64),
                         .probs = torch::zeros({num_labels, num_entries}),
                         .sizes = torch::empty({num_labels}, torch::kInt64),
                         .tail = torch::empty({num_labels}),
                         .temperature = temperature};
  auto* const ids = targets.ids.data_ptr<int64_t>();
  auto* const probs = targets.probs.data_ptr<float>();
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto label_ids = labels.LabelIds(i);
    const auto log_probs = labels.LabelLogProbs(i);
    std::copy(label_ids.begin(), label_ids.end(), ids + i * largest);
    std::transform(log_probs.begin(), log_probs.end(), probs + i * largest, [](float x) { return std::exp(x); });
    targets.sizes.data_ptr<int64_t>()[i] = static_cast<int64_t>(label_ids.size());
    targets.tail.data_ptr<float>()[i] = labels.tail_mass[i];
  }
  return targets;
}

torch::Tensor LikeliestClasses(const SoftTargets& targets) {
  const torch::Tensor best = std::get<0>(targets.probs.max(1, /*keepdim=*/true));
  const torch::Tensor others = torch::full_like(targets.ids, std::numeric_limits<int64_t>::max());
  return std::get<0>(torch::where(targets.probs == best, targets.ids, others).min(1));
}

HardTargets WithTeachersClass(const HardTargets& targets, const SoftTargets& teacher) {
  const torch::Tensor classes = LikeliestClasses(teacher).unsqueeze(1);
  return {.classes = torch::cat({targets.classes, classes}, 1),
          .shares = torch::cat({targets.shares * 0.5, torch::full_like(classes, 0.5, torch::kFloat32)}, 1)};
}

torch::Tensor DistillationLoss(const torch::Tensor& logits, const SoftTargets& soft, const HardTargets& hard,
                               const LossOptions& options, const torch::Tensor& weights, double total_weight) {
  const RowLossOptions row_options = Resolve(options);
  if (logits.dim() != 2 || !logits.is_floating_point()) {
    Fail(ErrorCode::kInvalidArgument, "logits of a loss: expected floating-point [N, C], found {} [{}]",
         torch::toString(logits.scalar_type()), fmt::join(logits.sizes(), ", "));
  }
  const int64_t num_rows = logits.size(0);
  if (row_options.soft_weight != 0) CheckSoft(soft, num_rows, logits.size(1), options.temperature);
  if (row_options.hard_weight != 0) CheckHard(hard, num_rows, logits.size(1));
  if (weights.defined()) CheckShape("weights", weights, torch::kFloat32, {num_rows});
  torch::Tensor scales = weights.defined() ? weights.to(torch::kFloat64) : torch::ones({num_rows}, torch::kFloat64);
  scales = scales / (total_weight > 0 ? total_weight : std::max(scales.sum().item<double>(), 1e-30));
  const SoftTargets used_soft = row_options.soft_weight != 0 ? soft : SoftTargets();
  const HardTargets used_hard = row_options.hard_weight != 0 ? hard : HardTargets();
  if (!logits.is_cpu() || logits.scalar_type() == torch::kFloat64) {
    scales = scales.to(logits.options());
    // Rows that are left out may hold anything.
    const torch::Tensor kept = torch::where((scales != 0).unsqueeze(1), logits, torch::zeros_like(logits));
    return (TensorLosses(kept, used_soft, used_hard, row_options) * scales).sum();
  }
  const auto contiguous = [](const torch::Tensor& tensor) { return tensor.defined() ? tensor.contiguous() : tensor; };
  return RowsFunction::apply(logits.to(torch::kFloat32).contiguous(),
                             SoftTargets{contiguous(used_soft.ids), contiguous(used_soft.probs),
                                         contiguous(used_soft.sizes), contiguous(used_soft.tail)},
                             HardTargets{contiguous(used_hard.classes), contiguous(used_hard.shares)}, row_options,
                             scales.contiguous());
}

}  // namespace decant
