#pragma once

#include <torch/torch.h>

#include "decant/consumer/row_loss.h"
#include "decant/consumer/sparse_loss.h"

namespace decant {

// RowLoss() of every row, [N] of the logits' type, by tensor operations, whose gradients LibTorch knows: for other
// devices and for float64. The targets may lie elsewhere.
torch::Tensor TensorLosses(const torch::Tensor& logits, const SoftTargets& soft, const HardTargets& hard,
                           const RowLossOptions& options);

}  // namespace decant
