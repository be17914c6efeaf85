#include "decant/models/input.h"

namespace decant {

torch::Tensor ChannelValues(const std::vector<double>& values, const torch::Device& device) {
  return torch::tensor(values, torch::kFloat32).view({1, -1, 1, 1}).to(device);
}

torch::Tensor NormalisedInput(const torch::Tensor& images, const torch::Tensor& mean, const torch::Tensor& std) {
  const torch::Tensor pixels = images.permute({0, 3, 1, 2}).to(torch::kFloat32).contiguous();
  return pixels.div_(255).sub_(mean).div_(std);
}

torch::Tensor NormalisedInput(const torch::Tensor& images, const std::vector<double>& mean,
                              const std::vector<double>& std) {
  return NormalisedInput(images, ChannelValues(mean, images.device()), ChannelValues(std, images.device()));
}

}  // namespace decant
