#pragma once

#include <string>

#include <ATen/core/ivalue.h>
#include <torch/torch.h>

namespace decant {

// The tensor that `output` names in what a TorchScript network returned: an entry of a dict, a field of a named tuple,
// or the index of an element of a tuple or list; empty for the only tensor that there is. kInvalidArgument, listing
// what there is.
torch::Tensor PickOutput(const c10::IValue& returned, const std::string& output, const std::string& path);

}  // namespace decant
