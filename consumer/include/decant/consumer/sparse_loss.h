#pragma once

#include <torch/torch.h>

#include "decant/store/soft_label.h"

namespace decant {

// Soft labels as tensors: each label padded to K entries. Padding has id 0 and weight 0.
struct SoftTargets {
  torch::Tensor ids;    // int64 [B, K]
  torch::Tensor probs;  // float32 [B, K]
  torch::Tensor valid;  // float32 [B, K]: 1 for an entry, 0 for padding
  torch::Tensor tail;   // float32 [B]: tail mass
};
SoftTargets ToTargets(const LabelBatch& labels);

// Mean over the batch of the cross-entropy between soft targets t and softmax(z / T), z the float32 logits [B, C]. The
// tail mass is spread evenly over the C - K classes that a label does not list (TinyViT, Wu et al., ECCV 2022):
//   with u = tail / (C - K) and z' = z / T:  -sum_S (p - u) log q - u (sum z' - C logsumexp z')
// which equals the dense formula; no [B, C] target is built. Differentiable in `logits`: the gradient is
// (softmax(z') - t) / (T B).
torch::Tensor SoftCrossEntropy(const torch::Tensor& logits, const SoftTargets& targets, double temperature);

}  // namespace decant
