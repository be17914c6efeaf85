#pragma once

#include <vector>

#include <torch/torch.h>

namespace decant {

// uint8 images [B, H, W, C] -> float32 [B, C, H, W], normalised: (pixel / 255 - mean) / std. `mean` and `std` hold one
// number, or one for each channel.
torch::Tensor NormalisedInput(const torch::Tensor& images, const std::vector<double>& mean,
                              const std::vector<double>& std);

// The same on the device of the images, where `mean` and `std` lie already.
torch::Tensor NormalisedInput(const torch::Tensor& images, const torch::Tensor& mean, const torch::Tensor& std);
// float32 [1, values, 1, 1] on the device, for NormalisedInput().
torch::Tensor ChannelValues(const std::vector<double>& values, const torch::Device& device);

}  // namespace decant
