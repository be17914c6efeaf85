#include <numeric>

#include "decant/base/error.h"
#include "decant/models/network.h"

namespace decant {
namespace {

namespace nn = torch::nn;

nn::Conv2d Conv3x3(int64_t in, int64_t out) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1).bias(false));
}

// Group norm, not batch norm: a sample's logits do not depend on the others in its batch.
nn::GroupNorm Norm(int64_t channels) {
  return nn::GroupNorm(std::gcd<int64_t>(channels, 8), channels);
}

// A pre-activation residual block (He et al., "Identity mappings in deep residual networks", ECCV 2016).
class ResidualBlock : public nn::Module {
 public:
  explicit ResidualBlock(int64_t channels) {
    norm1_ = register_module("norm1", Norm(channels));
    conv1_ = register_module("conv1", Conv3x3(channels, channels));
    norm2_ = register_module("norm2", Norm(channels));
    conv2_ = register_module("conv2", Conv3x3(channels, channels));
  }
  torch::Tensor Forward(const torch::Tensor& x) {
    const torch::Tensor hidden = conv1_(torch::relu(norm1_(x)));
    return x + conv2_(torch::relu(norm2_(hidden)));
  }

 private:
  nn::GroupNorm norm1_{nullptr}, norm2_{nullptr};
  nn::Conv2d conv1_{nullptr}, conv2_{nullptr};
};

class ConvNet : public Network {
 public:
  explicit ConvNet(const NetworkSpec& spec) {
    const int64_t features = spec.features;
    stem_ = register_module("stem", Conv3x3(spec.channels, features));
    for (uint32_t i = 0; i < spec.depth; ++i) {
      stage1_.push_back(register_module(fmt::format("stage1_{}", i), std::make_shared<ResidualBlock>(features)));
    }
    widen_ = register_module("widen", nn::Conv2d(nn::Conv2dOptions(features, 2 * features, 1).bias(false)));
    for (uint32_t i = 0; i < spec.depth; ++i) {
      stage2_.push_back(register_module(fmt::format("stage2_{}", i), std::make_shared<ResidualBlock>(2 * features)));
    }
    norm_ = register_module("norm", Norm(2 * features));
    head_ = register_module("head", nn::Linear(2 * features, spec.num_classes));
  }

  torch::Tensor Forward(const torch::Tensor& images) override {
    torch::Tensor x = stem_(images);
    for (const auto& block : stage1_) x = block->Forward(x);
    if (x.size(2) > 1 && x.size(3) > 1) x = torch::avg_pool2d(x, 2);
    x = widen_(x);
    for (const auto& block : stage2_) x = block->Forward(x);
    return head_(torch::relu(norm_(x)).mean({2, 3}));
  }

 private:
  nn::Conv2d stem_{nullptr}, widen_{nullptr};
  std::vector<std::shared_ptr<ResidualBlock>> stage1_, stage2_;
  nn::GroupNorm norm_{nullptr};
  nn::Linear head_{nullptr};
};

}  // namespace

std::shared_ptr<Network> MakeConvNet(const NetworkSpec& spec) {
  return std::make_shared<ConvNet>(spec);
}

}  // namespace decant
