#pragma once

#include <map>
#include <string>

#include <torch/torch.h>

namespace decant {

// Named tensors and texts in one file, in the safetensors format (https://github.com/huggingface/safetensors): a JSON
// header with names, dtypes and shapes, then the elements. The text `xxh3` is
// the checksum (XXH3-128) of the header without it, as JSON with sorted keys and no spaces, and the elements.
struct TensorFile {
  std::map<std::string, std::string> texts;      // `__metadata__`
  std::map<std::string, torch::Tensor> tensors;  // on the CPU, contiguous; float32, int64 or uint8
};

// Replaces `path` atomically.
void WriteTensorFile(const std::string& path, const TensorFile& file);
// kNotFound; kDataLoss for damage.
TensorFile ReadTensorFile(const std::string& path);
// Whether the file at `path` begins like a tensor file.
bool IsTensorFile(const std::string& path);

}  // namespace decant
