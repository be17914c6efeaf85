#include "tensor_loss.h"

#include <limits>

namespace decant {
namespace {

torch::Tensor PLogP(const torch::Tensor& probs) {
  return torch::where(probs > 0, probs * probs.clamp_min(1e-45).log(), torch::zeros_like(probs));
}

// `x` are logits over the temperature, less each row's largest.
torch::Tensor SoftLosses(const torch::Tensor& x, const SoftTargets& soft, const RowLossOptions& options) {
  const torch::Tensor ids = soft.ids.to(x.device());
  const torch::Tensor sizes = soft.sizes.to(x.device());
  const torch::Tensor is_entry = torch::arange(ids.size(1), ids.options()) < sizes.unsqueeze(1);  // [N, K]
  torch::Tensor probs = soft.probs.to(x.options()) * is_entry;
  const torch::Tensor num_unlisted = (x.size(1) - sizes).to(x.options());
  const torch::Tensor tail = torch::where(num_unlisted > 0, soft.tail.to(x.options()), torch::zeros_like(num_unlisted));
  const torch::Tensor listed_x = x.gather(1, ids);
  const torch::Tensor log_total = x.logsumexp(1);
  torch::Tensor losses, entropies;
  if (options.tail == TailRule::kUniform) {
    const torch::Tensor unlisted = tail / num_unlisted.clamp_min(1);
    const torch::Tensor weights = (probs - unlisted.unsqueeze(1)) * is_entry;
    losses = (probs.sum(1) + tail) * log_total - (weights * listed_x).sum(1) - unlisted * x.sum(1);
    entropies = -PLogP(probs).sum(1) - num_unlisted * PLogP(unlisted);
  } else if (options.tail == TailRule::kRenormalise) {
    probs = probs / probs.sum(1, /*keepdim=*/true);
    losses = log_total - (probs * listed_x).sum(1);
    entropies = -PLogP(probs).sum(1);
  } else {
    // The rest's logarithm is summed over the rest: padding points at the first entry, which is listed anyway.
    const torch::Tensor listed = torch::where(is_entry, ids, ids.slice(1, 0, 1).expand_as(ids));
    const torch::Tensor rest = x.scatter(1, listed, -std::numeric_limits<double>::infinity());
    const torch::Tensor has_tail = tail > 0;
    const torch::Tensor log_rest = torch::where(has_tail.unsqueeze(1), rest, x).logsumexp(1);
    losses = (probs.sum(1) + tail) * log_total - (probs * listed_x).sum(1) - tail * log_rest;
    entropies = -PLogP(probs).sum(1) - PLogP(tail);
  }
  return options.divergence ? losses - entropies : losses;
}

torch::Tensor HardLosses(const torch::Tensor& x, const HardTargets& hard, const RowLossOptions& options) {
  const torch::Tensor of_classes = x.gather(1, hard.classes.to(x.device()));
  torch::Tensor losses =
      x.logsumexp(1) - (1 - options.label_smoothing) * (hard.shares.to(x.options()) * of_classes).sum(1);
  if (options.label_smoothing != 0) losses = losses - options.label_smoothing * x.mean(1);
  return losses;
}

}  // namespace

torch::Tensor TensorLosses(const torch::Tensor& logits, const SoftTargets& soft, const HardTargets& hard,
                           const RowLossOptions& options) {
  const torch::Tensor differences = logits - std::get<0>(logits.detach().max(1, /*keepdim=*/true));
  torch::Tensor losses = torch::zeros({logits.size(0)}, logits.options());
  if (options.soft_weight != 0) {
    losses = losses + options.soft_weight * SoftLosses(differences / options.temperature, soft, options);
  }
  if (options.hard_weight != 0) losses = losses + options.hard_weight * HardLosses(differences, hard, options);
  return losses;
}

}  // namespace decant
