#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include "decant/producer/teacher.h"

#include "teacher_network.h"

namespace decant {

// The networks of a teacher, one or more, on their device. Const functions may be called from several threads at once.
class Ensemble {
 public:
  // Loads the files and runs one batch. Errors as Teacher's constructor.
  Ensemble(const TeacherOptions& options, const TeacherInput& input);

  const torch::Device& device() const { return device_; }
  int64_t num_classes() const { return num_classes_; }
  uint64_t num_parameters() const;
  nlohmann::json Identity() const;
  // The files, for messages.
  std::string Names() const;

  // Zeros in memory of the host that a GPU can fetch from: uint8 [B, H, W, C], or int64 [B, tokens].
  torch::Tensor NewBatch() const;
  // Logits float32, bfloat16 or float16 on the device: [B, classes] or [B, tokens, classes]. `mask` is like the batch
  // of tokens; undefined for images.
  torch::Tensor Forward(const torch::Tensor& batch, const torch::Tensor& mask) const;

 private:
  torch::Tensor CheckedLogits(size_t member, const torch::Tensor& inputs, const torch::Tensor& mask) const;

  TeacherOptions options_;
  TeacherInput input_;
  torch::Device device_;
  std::vector<double> weights_;  // they sum to 1
  std::vector<std::unique_ptr<TeacherNetwork>> members_;
  int64_t num_classes_ = 0;  // 0: not known yet
};

}  // namespace decant
