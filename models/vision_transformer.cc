#include "decant/base/error.h"
#include "decant/models/network.h"

namespace decant {
namespace {

namespace nn = torch::nn;

// A pre-norm transformer block: x + attention(norm(x)), then x + mlp(norm(x)).
class Block : public nn::Module {
 public:
  Block(int64_t features, int64_t heads) : heads_(heads) {
    norm1_ = register_module("norm1", nn::LayerNorm(nn::LayerNormOptions({features})));
    qkv_ = register_module("qkv", nn::Linear(features, 3 * features));
    project_ = register_module("project", nn::Linear(features, features));
    norm2_ = register_module("norm2", nn::LayerNorm(nn::LayerNormOptions({features})));
    expand_ = register_module("expand", nn::Linear(features, 4 * features));
    reduce_ = register_module("reduce", nn::Linear(4 * features, features));
  }
  // [B, T, features] -> [B, T, features]
  torch::Tensor Forward(const torch::Tensor& tokens) {
    const torch::Tensor x = tokens + Attention(norm1_(tokens));
    return x + reduce_(torch::gelu(expand_(norm2_(x))));
  }

 private:
  torch::Tensor Attention(const torch::Tensor& x) {
    const int64_t batch = x.size(0), num_tokens = x.size(1), features = x.size(2);
    const int64_t head_features = features / heads_;
    // [3, B, heads, T, head_features]
    const torch::Tensor qkv = qkv_(x).view({batch, num_tokens, 3, heads_, head_features}).permute({2, 0, 3, 1, 4});
    const torch::Tensor scores = torch::matmul(qkv[0], qkv[1].transpose(-2, -1)) / std::sqrt(double(head_features));
    const torch::Tensor mixed = torch::matmul(torch::softmax(scores, -1), qkv[2]);
    return project_(mixed.transpose(1, 2).reshape({batch, num_tokens, features}));
  }

  int64_t heads_;
  nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  nn::Linear qkv_{nullptr}, project_{nullptr}, expand_{nullptr}, reduce_{nullptr};
};

class VisionTransformer : public Network {
 public:
  explicit VisionTransformer(const NetworkSpec& spec) {
    const int64_t features = spec.features, patch = spec.patch_size;
    const int64_t num_patches = (spec.height / patch) * (spec.width / patch);
    embed_ = register_module("embed", nn::Conv2d(nn::Conv2dOptions(spec.channels, features, patch).stride(patch)));
    class_token_ = register_parameter("class_token", torch::zeros({1, 1, features}));
    positions_ = register_parameter("positions", 0.02 * torch::randn({1, num_patches + 1, features}));
    for (uint32_t i = 0; i < spec.depth; ++i) {
      blocks_.push_back(register_module(fmt::format("block{}", i), std::make_shared<Block>(features, spec.heads)));
    }
    norm_ = register_module("norm", nn::LayerNorm(nn::LayerNormOptions({features})));
    head_ = register_module("head", nn::Linear(features, spec.num_classes));
  }

  torch::Tensor Forward(const torch::Tensor& images) override {
    const torch::Tensor patches = embed_(images).flatten(2).transpose(1, 2);  // [B, patches, features]
    torch::Tensor x = torch::cat({class_token_.expand({images.size(0), -1, -1}), patches}, 1) + positions_;
    for (const auto& block : blocks_) x = block->Forward(x);
    return head_(norm_(x.select(1, 0)));
  }

 private:
  nn::Conv2d embed_{nullptr};
  torch::Tensor class_token_, positions_;
  std::vector<std::shared_ptr<Block>> blocks_;
  nn::LayerNorm norm_{nullptr};
  nn::Linear head_{nullptr};
};

}  // namespace

std::shared_ptr<Network> MakeVisionTransformer(const NetworkSpec& spec) {
  return std::make_shared<VisionTransformer>(spec);
}

}  // namespace decant
