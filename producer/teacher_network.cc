#include "teacher_network.h"

#include <unordered_set>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/models/checkpoint.h"
#include "decant/models/input.h"

#include "teacher_device.h"
#include "teacher_errors.h"

namespace decant {
namespace {

// A checkpoint of `decant train`.
class NativeNetwork : public TeacherNetwork {
 public:
  NativeNetwork(const TeacherOptions& options, const TeacherInput& input, const std::string& path,
                const torch::Device& device)
      : TeacherNetwork(options, path, device) {
    const LoadedNetwork loaded = LoadNetwork(path);
    const NetworkSpec& spec = loaded.spec;
    const ImageShape& shape = input.image;
    if (input.tokens > 0) {
      Fail(ErrorCode::kMismatch, "teacher {}: a checkpoint of `decant train` labels images, the dataset has tokens",
           path);
    }
    if (ImageShape{spec.height, spec.width, spec.channels} != shape) {
      Fail(ErrorCode::kMismatch, "teacher {}: images of {} x {} x {} expected, the dataset has {} x {} x {}", path,
           spec.height, spec.width, spec.channels, shape.height, shape.width, shape.channels);
    }
    kind_ = "native";
    mean_ = spec.mean;
    std_ = spec.std;
    network_ = loaded.network;
    network_->eval();
    network_->to(device_, precision_);
    num_parameters_ = CountParameters(*network_);
  }

 protected:
  torch::Tensor Run(const torch::Tensor& inputs, const torch::Tensor&) override { return network_->Forward(inputs); }

 private:
  std::shared_ptr<Network> network_;
};

}  // namespace

TeacherNetwork::TeacherNetwork(const TeacherOptions& options, const std::string& path, const torch::Device& device)
    : path_(path),
      digest_("sha256:" + Sha256HexOfFile(path)),
      device_(device),
      precision_(ParsePrecision(options.precision, device)),
      mean_(options.mean),
      std_(options.std) {}

nlohmann::json TeacherNetwork::Identity() const {
  return {{"digest", digest_}, {"kind", kind_}, {"mean", mean_}, {"std", std_}};
}

std::string TeacherNetwork::Describe(const torch::Tensor& inputs) const {
  const std::string what = inputs.scalar_type() == torch::kInt64 ? "tokens" : "images";
  return fmt::format("{} {}{}", what, decant::Describe(inputs),
                     precision_ == torch::kFloat32 ? "" : ", with teacher.precision");
}

torch::Tensor TeacherNetwork::Forward(const torch::Tensor& inputs, const torch::Tensor& mask) {
  torch::Tensor prepared = inputs;
  try {
    if (inputs.scalar_type() == torch::kUInt8) {
      prepared = NormalisedInput(inputs, mean_values_, std_values_).to(precision_);
    }
    return Run(prepared, mask);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    FailToRun(path_, Describe(prepared), error);
  }
}

std::unique_ptr<TeacherNetwork> LoadTeacherNetwork(const TeacherOptions& options, const TeacherInput& input,
                                                   const std::string& path, const torch::Device& device) {
  std::unique_ptr<TeacherNetwork> network;
  if (IsTensorFile(path)) {
    network = std::make_unique<NativeNetwork>(options, input, path, device);
  } else {
    network = LoadScriptNetwork(options, path, device);
  }
  network->mean_values_ = ChannelValues(network->mean_, device);
  network->std_values_ = ChannelValues(network->std_, device);
  return network;
}

uint64_t CountElements(const std::vector<torch::Tensor>& tensors) {
  std::unordered_set<const void*> counted;
  uint64_t total = 0;
  for (const torch::Tensor& tensor : tensors) {
    if (counted.insert(tensor.unsafeGetTensorImpl()).second) total += static_cast<uint64_t>(tensor.numel());
  }
  return total;
}

}  // namespace decant
