#include <unordered_map>

#include <torch/csrc/jit/ir/ir.h>
#include <torch/script.h>

#include "decant/base/error.h"

#include "teacher_errors.h"
#include "teacher_network.h"
#include "teacher_output.h"

namespace decant {
namespace {

using Constants = std::vector<std::pair<torch::jit::Node*, torch::Tensor>>;

// The floating-point tensors that a graph, frozen by PyTorch or here, holds in itself.
void CollectConstants(torch::jit::Block* block, Constants* constants) {
  for (torch::jit::Node* node : block->nodes()) {
    const auto value = c10::Symbol::attr("value");
    if (node->kind() == c10::prim::Constant && node->hasAttribute(value) &&
        node->kindOf(value) == torch::jit::AttributeKind::t && node->t(value).is_floating_point()) {
      constants->emplace_back(node, node->t(value));
    }
    for (torch::jit::Block* inner : node->blocks()) CollectConstants(inner, constants);
  }
}

// Converts tensors; those that several share stay shared.
class Converter {
 public:
  explicit Converter(torch::ScalarType type) : type_(type) {}
  torch::Tensor operator()(const torch::Tensor& tensor) {
    torch::Tensor& converted = converted_[tensor.unsafeGetTensorImpl()];
    if (!converted.defined()) converted = tensor.detach().to(type_);
    return converted;
  }

 private:
  torch::ScalarType type_;
  std::unordered_map<const void*, torch::Tensor> converted_;
};

class ScriptNetwork : public TeacherNetwork {
 public:
  ScriptNetwork(const TeacherOptions& options, const std::string& path, const torch::Device& device)
      : TeacherNetwork(options, path, device), output_(options.output) {
    kind_ = "torchscript";
    try {
      module_ = torch::jit::load(path, device);
      module_.eval();
    } catch (const std::exception& error) {
      FailToLoad(path, error);
    }
    if (!module_.find_method("forward")) {
      Fail(ErrorCode::kInvalidArgument, "teacher {}: its TorchScript has no method forward()", path);
    }
    num_arguments_ = module_.get_method("forward").function().getSchema().arguments().size() - 1;
    Prepare();
  }

 protected:
  torch::Tensor Run(const torch::Tensor& inputs, const torch::Tensor& mask) override {
    std::vector<c10::IValue> arguments = {inputs};
    if (mask.defined() && num_arguments_ > 1) arguments.emplace_back(mask);
    return PickOutput(module_.forward(std::move(arguments)), output_, path_);
  }

 private:
  void Prepare();
  void ConvertWeights();
  Constants FrozenWeights() const {
    Constants constants;
    CollectConstants(module_.get_method("forward").graph()->block(), &constants);
    return constants;
  }

  std::string output_;
  size_t num_arguments_ = 0;
  torch::jit::Module module_;
};

// Freezing folds batch normalisation into convolutions. A network that writes its own attributes cannot be frozen.
void ScriptNetwork::Prepare() {
  std::vector<torch::Tensor> weights;
  for (const torch::Tensor& parameter : module_.parameters()) weights.push_back(parameter);
  if (weights.empty()) {
    for (const auto& [node, tensor] : FrozenWeights()) weights.push_back(tensor);
  }
  num_parameters_ = CountElements(weights);
  const torch::NoGradGuard no_grad;
  try {
    module_ = torch::jit::freeze(module_);
  } catch (const std::exception&) {
  }
  if (precision_ != torch::kFloat32) ConvertWeights();
}

void ScriptNetwork::ConvertWeights() {
  Converter convert(precision_);
  for (const auto& [node, tensor] : FrozenWeights()) node->t_(c10::Symbol::attr("value"), convert(tensor));
  for (torch::Tensor parameter : module_.parameters()) {
    if (parameter.is_floating_point()) parameter.set_data(convert(parameter));
  }
  for (torch::Tensor buffer : module_.buffers()) {
    if (buffer.is_floating_point()) buffer.set_data(convert(buffer));
  }
}

}  // namespace

std::unique_ptr<TeacherNetwork> LoadScriptNetwork(const TeacherOptions& options, const std::string& path,
                                                  const torch::Device& device) {
  return std::make_unique<ScriptNetwork>(options, path, device);
}

}  // namespace decant
