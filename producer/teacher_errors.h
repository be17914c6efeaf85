#pragma once

#include <exception>
#include <string>

#include <torch/torch.h>

namespace decant {

// What is wrong, in one line. LibTorch's messages are pages with stack traces.
std::string TorchMessage(const std::exception& error);

// Throws the Error for a file that LibTorch could not load as TorchScript: of another kind, made by a newer PyTorch, or
// damaged.
[[noreturn]] void FailToLoad(const std::string& path, const std::exception& error);

// Throws the Error for a forward pass that failed; `what` is what it ran on. Out of memory is kExhausted.
[[noreturn]] void FailToRun(const std::string& path, const std::string& what, const std::exception& error);

// "float32 [64, 10]"
std::string Describe(const torch::Tensor& tensor);

}  // namespace decant
