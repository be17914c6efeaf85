#pragma once

#include <optional>
#include <string>

#include <c10/core/StreamGuard.h>
#include <torch/torch.h>

namespace decant {

// The device that teacher.device names. kInvalidArgument for another text; kUnavailable when LibTorch sees no such
// device.
torch::Device ParseDevice(const std::string& text);

// The type that teacher.precision names. kInvalidArgument for another text, or one that the device cannot compute with.
torch::ScalarType ParsePrecision(const std::string& text, const torch::Device& device);

// While it lives, the calling thread computes without gradients, with so many threads on the CPU, on a GPU on a stream
// that belongs to the thread, and TorchScript runs a graph in the same way each time.
class ComputeScope {
 public:
  ComputeScope(const torch::Device& device, uint32_t num_threads);

 private:
  torch::NoGradGuard no_grad_;
  std::optional<c10::StreamGuard> stream_;
  struct SameGraph {
    SameGraph();
    ~SameGraph();
    bool previous;
  } same_graph_;
};

}  // namespace decant
