#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

// Everything that a network's shape depends on. Written into its checkpoint.
struct NetworkSpec {
  std::string module;                    // path of a TorchScript module, in place of all that describes an architecture
  std::string architecture = "convnet";  // "convnet" or "vit"
  uint32_t height = 0;                   // of the image
  uint32_t width = 0;
  uint32_t channels = 0;
  uint32_t num_classes = 0;
  uint32_t features = 16;   // convnet: channels of the first stage; vit: token width
  uint32_t depth = 1;       // convnet: residual blocks in each of two stages; vit: transformer blocks
  uint32_t heads = 4;       // vit: attention heads, a divisor of `features`
  uint32_t patch_size = 2;  // vit: side of a patch, a divisor of height and width
  // Normalisation of pixels scaled to [0, 1]: (pixel / 255 - mean) / std, one number a channel or one for all.
  std::vector<double> mean = {0.5};
  std::vector<double> std = {0.5};

  bool operator==(const NetworkSpec&) const = default;
  // kInvalidArgument, naming the key, when no such network exists.
  void Validate() const;
};

nlohmann::json ToJson(const NetworkSpec& spec);
// kDataLoss for anything that ToJson() does not write.
NetworkSpec NetworkSpecFromJson(const nlohmann::json& json);

}  // namespace decant
