#include "teacher_device.h"

#include <charconv>
#include <cstdlib>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "decant/base/error.h"
#include "decant/models/threads.h"
#include "decant/producer/teacher.h"

namespace decant {
namespace {

bool ParseNumber(std::string_view text, uint32_t* number) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *number);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

// A stream from LibTorch's pool that this thread keeps: memory and library handles are cached for each stream.
c10::Stream StreamOfThisThread(const torch::Device& device) {
  thread_local std::optional<c10::Stream> stream;
  if (!stream || stream->device() != device) {
    stream = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  }
  return *stream;
}

}  // namespace

uint32_t LocalRank() {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"}) {
    const char* value = std::getenv(name);
    uint32_t rank = 0;
    if (value && ParseNumber(value, &rank)) return rank;
  }
  return 0;
}

torch::Device ParseDevice(const std::string& text) {
  if (text == "cpu") return torch::kCPU;
  uint32_t number = 0;
  const bool is_numbered = text.starts_with("cuda:") && ParseNumber(std::string_view(text).substr(5), &number);
  if (text != "cuda" && !is_numbered) {
    Fail(ErrorCode::kInvalidArgument, "teacher.device is '{}', expected \"cpu\", \"cuda\" or \"cuda:N\"", text);
  }
  const size_t num_devices = torch::cuda::is_available() ? torch::cuda::device_count() : 0;
  if (num_devices == 0 || (is_numbered && number >= num_devices)) {
    Fail(
        ErrorCode::kUnavailable,
        "teacher.device is '{}', but LibTorch {} sees {} CUDA devices here; a LibTorch built for CUDA and a driver are "
        "needed",
        text, TORCH_VERSION, num_devices);
  }
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(is_numbered ? number : LocalRank() % num_devices)};
}

torch::ScalarType ParsePrecision(const std::string& text, const torch::Device& device) {
  if (text == "fp32") return torch::kFloat32;
  if (text == "bf16") return torch::kBFloat16;
  if (text != "fp16") {
    Fail(ErrorCode::kInvalidArgument, "teacher.precision is '{}', expected \"fp32\", \"bf16\" or \"fp16\"", text);
  }
  if (device.is_cpu()) {
    Fail(ErrorCode::kInvalidArgument, "teacher.precision \"fp16\" needs a CUDA device; on the CPU take \"bf16\"");
  }
  return torch::kFloat16;
}

// The profiling executor specialises a graph after its first runs, which can change results between runs.
ComputeScope::SameGraph::SameGraph() : previous(torch::jit::getGraphExecutorOptimize()) {
  torch::jit::setGraphExecutorOptimize(false);
}
ComputeScope::SameGraph::~SameGraph() {
  torch::jit::setGraphExecutorOptimize(previous);
}

ComputeScope::ComputeScope(const torch::Device& device, uint32_t num_threads) {
  SetIntraOpThreads(static_cast<int>(num_threads));
  if (!device.is_cpu()) stream_.emplace(StreamOfThisThread(device));
}

}  // namespace decant
