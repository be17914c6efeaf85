#include "decant/consumer/sparse_loss.h"

#include <algorithm>
#include <cmath>

namespace decant {
namespace {

// Saves z', its logsumexp, and the sparse part of the target; the backward pass makes the one [B, C] gradient.
class SoftCrossEntropyFunction : public torch::autograd::Function<SoftCrossEntropyFunction> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& logits,
                               const torch::Tensor& ids, const torch::Tensor& probs, const torch::Tensor& valid,
                               const torch::Tensor& tail, double temperature) {
    const torch::Tensor z = logits / temperature;
    const torch::Tensor log_total = torch::logsumexp(z, 1);  // [B]
    // Share of the tail for each class that is not listed; none when every class is.
    const torch::Tensor num_unlisted = (z.size(1) - valid.sum(1)).clamp_min(1);
    const torch::Tensor unlisted = tail / num_unlisted;                     // u, [B]
    const torch::Tensor weights = (probs - unlisted.unsqueeze(1)) * valid;  // p - u, [B, K]
    const torch::Tensor mass = weights.sum(1) + unlisted * z.size(1);       // 1, up to rounding
    const torch::Tensor listed = (weights * z.gather(1, ids)).sum(1);
    const torch::Tensor loss = mass * log_total - listed - unlisted * z.sum(1);
    context->save_for_backward({z, log_total, ids, weights, unlisted, mass});
    context->saved_data["temperature"] = temperature;
    return loss.mean();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor &z = saved[0], &log_total = saved[1], &ids = saved[2], &weights = saved[3],
                        &unlisted = saved[4], &mass = saved[5];
    torch::Tensor gradient = (z - log_total.unsqueeze(1)).exp_();
    gradient.mul_(mass.unsqueeze(1)).sub_(unlisted.unsqueeze(1));
    gradient.scatter_add_(1, ids, -weights);
    const double temperature = context->saved_data["temperature"].toDouble();
    gradient.mul_(outputs[0] / (temperature * static_cast<double>(z.size(0))));
    const torch::Tensor none;
    return {gradient, none, none, none, none, none};
  }
};

}  // namespace

SoftTargets ToTargets(const LabelBatch& labels) {
  const auto batch = static_cast<int64_t>(labels.size());
  size_t largest = 1;
  for (size_t i = 0; i < labels.size(); ++i) largest = std::max(largest, labels.LabelIds(i).size());
  const auto entries = static_cast<int64_t>(largest);
  SoftTargets targets = {torch::zeros({batch, entries}, torch::kInt64), torch::zeros({batch, entries}),
                         torch::zeros({batch, entries}), torch::empty({batch})};
  auto* ids = targets.ids.data_ptr<int64_t>();
  auto* probs = targets.probs.data_ptr<float>();
  auto* valid = targets.valid.data_ptr<float>();
  auto* tail = targets.tail.data_ptr<float>();
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto label_ids = labels.LabelIds(i);
    const auto log_probs = labels.LabelLogProbs(i);
    for (size_t entry = 0; entry < label_ids.size(); ++entry) {
      ids[i * largest + entry] = label_ids[entry];
      probs[i * largest + entry] = std::exp(log_probs[entry]);
      valid[i * largest + entry] = 1;
    }
    tail[i] = labels.tail_mass[i];
  }
  return targets;
}

torch::Tensor SoftCrossEntropy(const torch::Tensor& logits, const SoftTargets& targets, double temperature) {
  return SoftCrossEntropyFunction::apply(logits, targets.ids, targets.probs, targets.valid, targets.tail, temperature);
}

}  // namespace decant
