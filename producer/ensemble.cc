#include "ensemble.h"

#include <cmath>

#include "decant/base/error.h"

#include "teacher_device.h"
#include "teacher_errors.h"

namespace decant {
namespace {

constexpr uint32_t kMaxBatchSize = 1 << 16;
constexpr uint32_t kMaxThreads = 1024;

void CheckOptions(const TeacherOptions& options, const TeacherInput& input) {
  if (options.path.empty()) Fail(ErrorCode::kInvalidArgument, "teacher.path names no file");
  if (options.batch_size < 1 || options.batch_size > kMaxBatchSize || options.threads < 1 ||
      options.threads > kMaxThreads) {
    Fail(ErrorCode::kInvalidArgument, "teacher.batch_size {} must be 1 to {}, teacher.threads {} 1 to {}",
         options.batch_size, kMaxBatchSize, options.threads, kMaxThreads);
  }
  for (const auto* values : {&options.mean, &options.std}) {
    if (values->size() != 1 && values->size() != input.image.channels && input.tokens == 0) {
      Fail(ErrorCode::kInvalidArgument, "teacher.{}: {} numbers; expected one, or one for each of {} channels",
           values == &options.mean ? "mean" : "std", values->size(), input.image.channels);
    }
  }
  for (const double value : options.std) {
    if (!(value > 0)) Fail(ErrorCode::kInvalidArgument, "teacher.std is {}, but must be above 0", value);
  }
}

bool IsFloat(const torch::Tensor& tensor) {
  const torch::ScalarType type = tensor.scalar_type();
  return type == torch::kFloat32 || type == torch::kBFloat16 || type == torch::kFloat16;
}

// float32 on a GPU is float32, computed in the same way each time.
void MakeCudaReproducible() {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(false);
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
}

}  // namespace

Ensemble::Ensemble(const TeacherOptions& options, const TeacherInput& input)
    : options_(options), input_(input), device_(ParseDevice(options.device)) {
  CheckOptions(options, input);
  weights_ = NormalisedWeights(options);
  if (device_.is_cuda()) MakeCudaReproducible();
  for (const std::string& path : options.path) members_.push_back(LoadTeacherNetwork(options, input, path, device_));
  if (device_.is_cuda()) torch::cuda::synchronize();  // loading runs on another stream than forward passes
  const ComputeScope scope(device_, options.threads);
  const torch::Tensor inputs = NewBatch().to(device_);
  const torch::Tensor mask = input.tokens > 0 ? torch::ones_like(inputs) : torch::Tensor();
  for (size_t member = 0; member < members_.size(); ++member) {
    num_classes_ = CheckedLogits(member, inputs, mask).size(-1);
  }
}

uint64_t Ensemble::num_parameters() const {
  uint64_t total = 0;
  for (const auto& member : members_) total += member->num_parameters();
  return total;
}

std::string Ensemble::Names() const {
  return fmt::format("{}", fmt::join(options_.path, ", "));
}

nlohmann::json Ensemble::Identity() const {
  std::vector<nlohmann::json> members;
  for (const auto& member : members_) members.push_back(member->Identity());
  return TeacherIdentity(std::move(members), weights_, options_, input_);
}

torch::Tensor Ensemble::NewBatch() const {
  const auto size = static_cast<int64_t>(options_.batch_size);
  const auto on_host = torch::TensorOptions().pinned_memory(device_.is_cuda());
  if (input_.tokens > 0) return torch::zeros({size, input_.tokens}, on_host.dtype(torch::kInt64));
  return torch::zeros({size, input_.image.height, input_.image.width, input_.image.channels},
                      on_host.dtype(torch::kUInt8));
}

torch::Tensor Ensemble::CheckedLogits(size_t member, const torch::Tensor& inputs, const torch::Tensor& mask) const {
  TeacherNetwork& network = *members_[member];
  const torch::Tensor logits = network.Forward(inputs, mask);
  std::vector<int64_t> sizes = {options_.batch_size};
  if (input_.tokens > 0) sizes.push_back(input_.tokens);
  const bool has_rows = IsFloat(logits) && logits.dim() == static_cast<int64_t>(sizes.size()) + 1 &&
                        logits.sizes().slice(0, sizes.size()) == at::IntArrayRef(sizes) && logits.size(-1) > 0;
  if (has_rows && (num_classes_ == 0 || logits.size(-1) == num_classes_)) return logits;
  if (has_rows && member > 0) {
    Fail(ErrorCode::kMismatch, "teacher {} has {} classes, but {} has {}: they cannot be averaged", network.path(),
         logits.size(-1), members_.front()->path(), num_classes_);
  }
  Fail(ErrorCode::kInvalidArgument, "teacher {}: expected logits, float32 [{}, {}], found {}", network.path(),
       fmt::join(sizes, ", "), num_classes_ == 0 ? "classes" : std::to_string(num_classes_), Describe(logits));
}

torch::Tensor Ensemble::Forward(const torch::Tensor& batch, const torch::Tensor& mask) const {
  const torch::Tensor inputs = batch.to(device_, /*non_blocking=*/true);
  const torch::Tensor mask_inputs = mask.defined() ? mask.to(device_, true) : mask;
  if (members_.size() == 1) return CheckedLogits(0, inputs, mask_inputs);
  std::vector<torch::Tensor> terms;
  for (size_t i = 0; i < members_.size(); ++i) {
    const torch::Tensor logits = CheckedLogits(i, inputs, mask_inputs).to(torch::kFloat32);
    terms.push_back(torch::log_softmax(logits, -1).add_(std::log(weights_[i])));
  }
  return torch::logsumexp(torch::stack(terms), 0);
}

}  // namespace decant
