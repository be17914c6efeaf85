#include "decant/models/checkpoint.h"

#include "decant/base/error.h"

#include "scripted_network.h"

namespace decant {
namespace {

constexpr char kNetworkText[] = "network";
constexpr char kWeightPrefix[] = "model.";

torch::OrderedDict<std::string, torch::Tensor> Weights(const Network& network) {
  auto weights = network.named_parameters();
  for (const auto& buffer : network.named_buffers()) weights.insert(buffer.key(), buffer.value());
  return weights;
}

}  // namespace

void PutWeights(const Network& network, TensorFile* file) {
  for (const auto& weight : Weights(network)) file->tensors[kWeightPrefix + weight.key()] = weight.value();
}

void TakeWeights(const TensorFile& file, const std::string& path, Network* network) {
  const torch::NoGradGuard no_grad;
  for (auto& weight : Weights(*network)) {
    const auto found = file.tensors.find(kWeightPrefix + weight.key());
    if (found == file.tensors.end()) Fail(ErrorCode::kDataLoss, "{}: no tensor '{}'", path, weight.key());
    if (found->second.sizes() != weight.value().sizes()) {
      Fail(ErrorCode::kDataLoss, "{}: tensor '{}': expected {} elements, found {}", path, weight.key(),
           weight.value().numel(), found->second.numel());
    }
    weight.value().copy_(found->second);
  }
}

void SaveNetwork(const std::string& path, const NetworkSpec& spec, const Network& network) {
  if (IsScripted(network)) return SaveScripted(network, ToJson(spec).dump(), path);
  TensorFile file;
  file.texts[kNetworkText] = ToJson(spec).dump();
  PutWeights(network, &file);
  WriteTensorFile(path, file);
}

LoadedNetwork LoadNetwork(const std::string& path) {
  if (!IsTensorFile(path)) {
    LoadedNetwork loaded;
    loaded.spec =
        NetworkSpecFromJson(nlohmann::json::parse(ReadScriptedText(path), nullptr, /*allow_exceptions=*/false));
    loaded.network = LoadScriptedNetwork(path);
    return loaded;
  }
  const TensorFile file = ReadTensorFile(path);
  const auto text = file.texts.find(kNetworkText);
  if (text == file.texts.end()) Fail(ErrorCode::kDataLoss, "{}: not a network: no text '{}'", path, kNetworkText);
  LoadedNetwork loaded;
  loaded.spec = NetworkSpecFromJson(nlohmann::json::parse(text->second, nullptr, /*allow_exceptions=*/false));
  loaded.network = MakeNetwork(loaded.spec, 0);
  TakeWeights(file, path, loaded.network.get());
  return loaded;
}

}  // namespace decant
