#include "decant/models/input.h"

namespace decant {

torch::Tensor NormalisedInput(const torch::Tensor& images, const std::vector<double>& mean,
                              const std::vector<double>& std) {
  const auto channel_values = [](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat32).view({1, -1, 1, 1});
  };
  const torch::Tensor pixels = images.permute({0, 3, 1, 2}).to(torch::kFloat32).contiguous();
  return pixels.div_(255).sub_(channel_values(mean)).div_(channel_values(std));
}

}  // namespace decant
