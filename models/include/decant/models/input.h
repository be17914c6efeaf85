#pragma once

#include <vector>

#include <torch/torch.h>

namespace decant {

// uint8 images [B, H, W, C] -> float32 [B, C, H, W], normalised: (pixel / 255 - mean) / std. `mean` and `std` hold one
// number, or one for each channel.
torch::Tensor NormalisedInput(const torch::Tensor& images, const std::vector<double>& mean,
                              const std::vector<double>& std);

}  // namespace decant
