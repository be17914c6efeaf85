#pragma once

#include <memory>

#include <torch/torch.h>

#include "decant/models/network_spec.h"

namespace decant {

// A classifier: float32 images [B, channels, height, width], normalised (input.h) -> logits [B, num_classes].
class Network : public torch::nn::Module {
 public:
  virtual torch::Tensor Forward(const torch::Tensor& images) = 0;
};

// A network with fresh weights, a pure function of (spec, seed); that of spec.module with the weights that it has.
// kNotFound, kDataLoss, kInvalidArgument for a module that cannot learn.
//   convnet: two stages of residual blocks (3x3 convolutions, group norm, ReLU), the second at half the resolution and
//            twice the channels; global average pool.
//   vit:     a pre-norm Vision Transformer with a class token and learnt positions (Dosovitskiy et al., ICLR 2021).
std::shared_ptr<Network> MakeNetwork(const NetworkSpec& spec, uint64_t seed);

uint64_t CountParameters(const Network& network);

// The makers behind MakeNetwork().
std::shared_ptr<Network> MakeConvNet(const NetworkSpec& spec);
std::shared_ptr<Network> MakeVisionTransformer(const NetworkSpec& spec);

}  // namespace decant
