#pragma once

#include <torch/torch.h>

#include "decant/consumer/tail_rule.h"
#include "decant/store/soft_label.h"

namespace decant {

// Soft labels as tensors: each label padded to K entries with id 0 and probability 0. N is a batch, or its tokens.
struct SoftTargets {
  torch::Tensor ids;       // int64 [N, K]
  torch::Tensor probs;     // float32 [N, K]
  torch::Tensor sizes;     // int64 [N]: entries of each label
  torch::Tensor tail;      // float32 [N]: tail mass
  double temperature = 1;  // at which the teacher gave them
};
SoftTargets ToTargets(const LabelBatch& labels, double temperature);

// Classes and the share of each, which sum to 1: one class, or the two of a mixed view. Padding has share 0.
struct HardTargets {
  torch::Tensor classes;  // int64 [N, M]
  torch::Tensor shares;   // float32 [N, M]
};
// The likeliest class of each soft label, the smaller id of equal ones: int64 [N].
torch::Tensor LikeliestClasses(const SoftTargets& targets);
// DeiT's hard distillation (Touvron et al., ICML 2021): half of each share goes to what the teacher says.
HardTargets WithTeachersClass(const HardTargets& targets, const SoftTargets& teacher);

struct LossOptions {
  TailRule tail = TailRule::kUniform;
  double temperature = 1;      // must be that of the soft labels: kMismatch
  double alpha = 1;            // share of the soft part
  double label_smoothing = 0;  // of the hard part
  bool divergence = false;     // forward KL instead of cross-entropy: another value, the same gradient
};

// The weighted mean over the rows of
//   alpha T^2 S(z / T) + (1 - alpha) H(z)
// with S and H of row_loss.h: Hinton, Vinyals and Dean (2015), whose T^2 keeps the parts' gradients in proportion.
// `logits` are floating-point [N, C], on any device; `hard` may be empty where alpha is 1, `soft` where it is 0.
// `weights`, float32 [N] or empty for 1 each: 0 leaves a row out (padding). The sum is divided by `total_weight`, or by
// that of the weights where it is 0: ranks that share a batch give that of the whole batch.
//
// No [N, C] tensor but the gradient is made for float32 logits on a processor; no dense target anywhere.
// kInvalidArgument for shapes that do not fit and classes that are not below C.
torch::Tensor DistillationLoss(const torch::Tensor& logits, const SoftTargets& soft, const HardTargets& hard,
                               const LossOptions& options, const torch::Tensor& weights = {}, double total_weight = 0);

}  // namespace decant
