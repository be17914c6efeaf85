#include "scripted_network.h"

#include <algorithm>
#include <sstream>

#include <torch/script.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

namespace decant {
namespace {

constexpr char kTextFile[] = "decant_network";

std::string FirstLine(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

torch::jit::Module Load(const std::string& path, torch::jit::ExtraFilesMap* files) {
  std::istringstream content(ReadFile(path));
  try {
    return torch::jit::load(content, torch::kCPU, *files);
  } catch (const std::exception& error) {
    Fail(ErrorCode::kDataLoss, "{}: not a TorchScript module (torch.jit.script(model).save(...)): {}", path,
         FirstLine(error));
  }
}

class ScriptedNetwork : public Network {
 public:
  explicit ScriptedNetwork(const std::string& path) : path_(path) {
    torch::jit::ExtraFilesMap files;
    module_ = Load(path, &files);
    const auto flat = [](std::string name) {
      std::ranges::replace(name, '.', '/');
      return name;
    };
    for (const auto& parameter : module_.named_parameters()) register_parameter(flat(parameter.name), parameter.value);
    for (const auto& buffer : module_.named_buffers()) register_buffer(flat(buffer.name), buffer.value);
    if (parameters().empty()) {
      Fail(ErrorCode::kInvalidArgument, "{}: a TorchScript module without parameters cannot learn; was it frozen?",
           path);
    }
  }

  torch::Tensor Forward(const torch::Tensor& images) override {
    c10::IValue output;
    try {
      output = module_.forward({images});
    } catch (const std::exception& error) {
      Fail(ErrorCode::kInvalidArgument, "{}: forward() of images {}: {}", path_, torch::str(images.sizes()),
           FirstLine(error));
    }
    if (!output.isTensor() || output.toTensor().dim() != 2) {
      Fail(ErrorCode::kInvalidArgument, "{}: forward() gives no logits [B, classes], but {}", path_, output.tagKind());
    }
    return output.toTensor();
  }
  void train(bool on) override {
    Network::train(on);
    module_.train(on);
  }
  const torch::jit::Module& module() const { return module_; }

 private:
  std::string path_;
  torch::jit::Module module_;
};

}  // namespace

std::shared_ptr<Network> LoadScriptedNetwork(const std::string& path) {
  return std::make_shared<ScriptedNetwork>(path);
}

bool IsScripted(const Network& network) {
  return dynamic_cast<const ScriptedNetwork*>(&network) != nullptr;
}

void SaveScripted(const Network& network, const std::string& text, const std::string& path) {
  std::ostringstream content;
  dynamic_cast<const ScriptedNetwork&>(network).module().save(content, {{kTextFile, text}});
  WriteFileAtomically(path, content.str());
}

std::string ReadScriptedText(const std::string& path) {
  torch::jit::ExtraFilesMap files = {{kTextFile, ""}};
  Load(path, &files);
  if (files[kTextFile].empty()) Fail(ErrorCode::kDataLoss, "{}: TorchScript that `decant train` did not write", path);
  return files[kTextFile];
}

}  // namespace decant
