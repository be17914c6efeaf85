#include "decant/models/network.h"

#include <mutex>
#include <string_view>

#include "decant/base/error.h"

#include "scripted_network.h"

namespace decant {
namespace {

void Require(bool condition, std::string_view key, const nlohmann::json& value, std::string_view expected) {
  if (!condition) {
    Fail(ErrorCode::kInvalidArgument, "student.{} is {}, but must be {}", key, value.dump(), expected);
  }
}

bool InRange(uint32_t value, uint32_t low, uint32_t high) {
  return value >= low && value <= high;
}

}  // namespace

void NetworkSpec::Validate() const {
  if (!module.empty()) return;
  Require(architecture == "convnet" || architecture == "vit", "architecture", architecture, "'convnet' or 'vit'");
  Require(InRange(features, 1, 4096), "features", features, "1 to 4096");
  Require(InRange(depth, 1, 128), "depth", depth, "1 to 128");
  if (architecture == "vit") {
    Require(InRange(heads, 1, features) && features % heads == 0, "heads", heads,
            fmt::format("a divisor of features = {}", features));
    Require(patch_size >= 1 && height % patch_size == 0 && width % patch_size == 0, "patch_size", patch_size,
            fmt::format("a divisor of the image's sides, {} x {}", height, width));
  }
  const auto fits = [&](const std::vector<double>& values) { return values.size() == 1 || values.size() == channels; };
  Require(fits(mean), "mean", mean, "one number, or one for each channel");
  Require(fits(std), "std", std, "one number, or one for each channel");
  for (const double value : std) Require(value > 0, "std", std, "above 0");
  if (!InRange(height, 1, 4096) || !InRange(width, 1, 4096) || !InRange(channels, 1, 64) || num_classes == 0) {
    Fail(ErrorCode::kInvalidArgument, "no network for images of {} x {} x {} and {} classes", height, width, channels,
         num_classes);
  }
}

nlohmann::json ToJson(const NetworkSpec& spec) {
  nlohmann::json json = {{"architecture", spec.architecture},
                         {"height", spec.height},
                         {"width", spec.width},
                         {"channels", spec.channels},
                         {"features", spec.features},
                         {"depth", spec.depth},
                         {"heads", spec.heads},
                         {"mean", spec.mean},
                         {"num_classes", spec.num_classes},
                         {"patch_size", spec.patch_size},
                         {"std", spec.std}};
  if (!spec.module.empty()) json["module"] = spec.module;
  return json;
}

NetworkSpec NetworkSpecFromJson(const nlohmann::json& json) {
  try {
    NetworkSpec spec;
    spec.module = json.value("module", "");
    json.at("architecture").get_to(spec.architecture);
    json.at("height").get_to(spec.height);
    json.at("width").get_to(spec.width);
    json.at("channels").get_to(spec.channels);
    json.at("features").get_to(spec.features);
    json.at("depth").get_to(spec.depth);
    json.at("heads").get_to(spec.heads);
    json.at("mean").get_to(spec.mean);
    json.at("num_classes").get_to(spec.num_classes);
    json.at("patch_size").get_to(spec.patch_size);
    json.at("std").get_to(spec.std);
    spec.Validate();
    return spec;
  } catch (const std::exception& error) {
    Fail(ErrorCode::kDataLoss, "the description of the network is damaged: {}", error.what());
  }
}

std::shared_ptr<Network> MakeNetwork(const NetworkSpec& spec, uint64_t seed) {
  spec.Validate();
  static std::mutex one_generator;  // LibTorch's weights come from one for the whole process
  const std::lock_guard lock(one_generator);
  torch::manual_seed(seed);
  if (!spec.module.empty()) return LoadScriptedNetwork(spec.module);  // whose dropout draws from it
  return spec.architecture == "vit" ? MakeVisionTransformer(spec) : MakeConvNet(spec);
}

uint64_t CountParameters(const Network& network) {
  uint64_t count = 0;
  for (const torch::Tensor& parameter : network.parameters()) count += static_cast<uint64_t>(parameter.numel());
  return count;
}

}  // namespace decant
