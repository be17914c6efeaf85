#include "decant/producer/teacher.h"

#include <algorithm>
#include <cstring>

#include <torch/script.h>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/models/checkpoint.h"
#include "decant/models/input.h"
#include "decant/models/threads.h"

namespace decant {
namespace {

// LibTorch's messages are pages with stack traces. What is wrong is said in the line that begins with "RuntimeError: ",
// when TorchScript code failed, or else in the first line.
std::string Essence(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  constexpr std::string_view kMark = "RuntimeError: ";
  if (const size_t mark = text.rfind(kMark); mark != std::string::npos) text.erase(0, mark + kMark.size());
  return text.substr(0, text.find('\n'));
}

}  // namespace

struct Teacher::Impl {
  Impl(const TeacherOptions& an_options, const ImageShape& a_shape) : options(an_options), shape(a_shape) {}

  void Load();
  void LoadNative();
  void LoadTorchScript();
  // [B, C, H, W] -> whatever the network returns, contiguous.
  torch::Tensor Forward(const torch::Tensor& images);
  // uint8 [batch_size, H, W, C] -> logits, float32 [batch_size, classes], checked.
  torch::Tensor CheckedLogits(const torch::Tensor& images);

  TeacherOptions options;
  ImageShape shape;
  std::string digest;
  std::string kind;
  std::shared_ptr<Network> native;
  torch::jit::Module script;
  uint64_t num_parameters = 0;
  uint32_t num_classes = 0;
};

void Teacher::Impl::Load() {
  if (options.batch_size == 0 || options.threads == 0) {
    Fail(ErrorCode::kInvalidArgument, "teacher.batch_size {} and teacher.threads {} must be at least 1",
         options.batch_size, options.threads);
  }
  for (const auto* values : {&options.mean, &options.std}) {
    if (values->size() != 1 && values->size() != shape.channels) {
      Fail(ErrorCode::kInvalidArgument, "teacher.{}: {} numbers; expected one, or one for each of {} channels",
           values == &options.mean ? "mean" : "std", values->size(), shape.channels);
    }
  }
  for (const double value : options.std) {
    if (!(value > 0)) Fail(ErrorCode::kInvalidArgument, "teacher.std is {}, but must be above 0", value);
  }
  digest = Sha256HexOfFile(options.path);
  if (IsTensorFile(options.path)) {
    LoadNative();
  } else {
    LoadTorchScript();
  }
}

void Teacher::Impl::LoadNative() {
  const LoadedNetwork loaded = LoadNetwork(options.path);
  const NetworkSpec& spec = loaded.spec;
  if (ImageShape{spec.height, spec.width, spec.channels} != shape) {
    Fail(ErrorCode::kMismatch, "teacher {}: images of {} x {} x {} expected, the dataset has {} x {} x {}",
         options.path, spec.height, spec.width, spec.channels, shape.height, shape.width, shape.channels);
  }
  options.mean = spec.mean;
  options.std = spec.std;
  kind = "native";
  native = loaded.network;
  native->eval();
  num_parameters = CountParameters(*native);
}

void Teacher::Impl::LoadTorchScript() {
  try {
    script = torch::jit::load(options.path, torch::kCPU);
    script.eval();
  } catch (const std::exception& error) {
    Fail(ErrorCode::kInvalidArgument,
         "teacher {} is neither a checkpoint of `decant train` nor a TorchScript file that LibTorch {} can read ({}); "
         "export it with examples/export_teacher.py",
         options.path, TORCH_VERSION, Essence(error));
  }
  kind = "torchscript";
  for (const torch::Tensor& parameter : script.parameters()) {
    num_parameters += static_cast<uint64_t>(parameter.numel());
  }
}

torch::Tensor Teacher::Impl::Forward(const torch::Tensor& images) {
  try {
    if (native) return native->Forward(images).contiguous();
    const torch::jit::IValue output = script.forward({images});
    if (!output.isTensor()) {
      Fail(ErrorCode::kInvalidArgument, "teacher {}: its output is a {}, not a tensor of logits", options.path,
           output.tagKind());
    }
    return output.toTensor().contiguous();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    Fail(ErrorCode::kInvalidArgument, "teacher {}: cannot run on images [{}, {}, {}, {}]: {}", options.path,
         images.size(0), images.size(1), images.size(2), images.size(3), Essence(error));
  }
}

torch::Tensor Teacher::Impl::CheckedLogits(const torch::Tensor& images) {
  const torch::Tensor logits = Forward(NormalisedInput(images, options.mean, options.std));
  const bool is_matrix = logits.dim() == 2 && logits.size(0) == options.batch_size && logits.size(1) > 0;
  const bool fits = is_matrix && (num_classes == 0 || logits.size(1) == num_classes);
  if (!fits || logits.scalar_type() != torch::kFloat32) {
    std::string sizes;
    for (const int64_t size : logits.sizes()) sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", size);
    Fail(ErrorCode::kInvalidArgument, "teacher {}: expected logits float32 [{}, {}], found {} [{}]", options.path,
         options.batch_size, num_classes == 0 ? "classes" : std::to_string(num_classes),
         torch::toString(logits.scalar_type()), sizes);
  }
  return logits;
}

Teacher::Teacher(const TeacherOptions& options, const ImageShape& shape)
    : impl_(std::make_unique<Impl>(options, shape)) {
  Impl& self = *impl_;
  self.Load();
  SetIntraOpThreads(static_cast<int>(options.threads));
  const torch::NoGradGuard no_grad;
  const torch::Tensor probe =
      self.CheckedLogits(torch::zeros({options.batch_size, shape.height, shape.width, shape.channels}, torch::kUInt8));
  self.num_classes = static_cast<uint32_t>(probe.size(1));
}

Teacher::~Teacher() = default;

uint32_t Teacher::num_classes() const {
  return impl_->num_classes;
}
uint32_t Teacher::batch_size() const {
  return impl_->options.batch_size;
}
uint64_t Teacher::num_parameters() const {
  return impl_->num_parameters;
}

nlohmann::json Teacher::Identity() const {
  const Impl& self = *impl_;
  return {{"digest", "sha256:" + self.digest},
          {"kind", self.kind},
          {"output", "logits"},
          {"precision", "fp32"},
          {"mean", self.options.mean},
          {"std", self.options.std},
          {"batch_size", self.options.batch_size},
          {"threads", self.options.threads}};
}

void Teacher::Logits(const uint8_t* images, size_t n, std::vector<float>* logits) {
  Impl& self = *impl_;
  const torch::NoGradGuard no_grad;
  const size_t batch_size = self.options.batch_size;
  const size_t image_bytes = self.shape.num_bytes();
  logits->resize(n * self.num_classes);
  torch::Tensor batch =
      torch::zeros({self.options.batch_size, self.shape.height, self.shape.width, self.shape.channels}, torch::kUInt8);
  for (size_t begin = 0; begin < n; begin += batch_size) {
    const size_t count = std::min(batch_size, n - begin);
    batch.zero_();
    std::memcpy(batch.data_ptr(), images + begin * image_bytes, count * image_bytes);
    const torch::Tensor output = self.CheckedLogits(batch);
    std::memcpy(logits->data() + begin * self.num_classes, output.data_ptr(), count * self.num_classes * sizeof(float));
  }
}

void Teacher::Label(const uint8_t* images, std::span<const SelectedView> views, LabelSelector* selector,
                    LabelBatch* labels) {
  std::vector<float> logits;
  Logits(images, views.size(), &logits);
  const size_t num_classes = impl_->num_classes;
  for (size_t i = 0; i < views.size(); ++i) {
    try {
      selector->Append(std::span(logits).subspan(i * num_classes, num_classes), views[i], labels);
    } catch (const Error& error) {
      Fail(error.code(), "the teacher's logits for sample {} in epoch {}: {}", views[i].sample_id, views[i].epoch,
           error.what());
    }
  }
}

std::string LibTorchVersion() {
  return TORCH_VERSION;
}

}  // namespace decant
