#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include "decant/producer/teacher.h"

namespace decant {

// One network of a teacher on its device. Forward() may be called from several threads at once.
class TeacherNetwork {
 public:
  virtual ~TeacherNetwork() = default;

  // Images: `inputs` is uint8 [B, H, W, C] on the device, normalised here. Windows: int64 [B, tokens], and `mask` like
  // it. The logits as the network gives them, in the precision of the teacher.
  torch::Tensor Forward(const torch::Tensor& inputs, const torch::Tensor& mask);

  const std::string& path() const { return path_; }
  uint64_t num_parameters() const { return num_parameters_; }
  // Digest, kind and normalisation.
  nlohmann::json Identity() const;

 protected:
  TeacherNetwork(const TeacherOptions& options, const std::string& path, const torch::Device& device);
  virtual torch::Tensor Run(const torch::Tensor& inputs, const torch::Tensor& mask) = 0;

  std::string path_;
  std::string digest_;
  std::string kind_;
  torch::Device device_;
  torch::ScalarType precision_;
  std::vector<double> mean_, std_;
  uint64_t num_parameters_ = 0;

 private:
  std::string Describe(const torch::Tensor& inputs) const;

  torch::Tensor mean_values_, std_values_;  // of mean_ and std_, on the device
  friend std::unique_ptr<TeacherNetwork> LoadTeacherNetwork(const TeacherOptions&, const TeacherInput&,
                                                            const std::string&, const torch::Device&);
};

// Errors as Teacher's constructor.
std::unique_ptr<TeacherNetwork> LoadTeacherNetwork(const TeacherOptions& options, const TeacherInput& input,
                                                   const std::string& path, const torch::Device& device);
std::unique_ptr<TeacherNetwork> LoadScriptNetwork(const TeacherOptions& options, const std::string& path,
                                                  const torch::Device& device);

// Elements of different tensors, each counted once.
uint64_t CountElements(const std::vector<torch::Tensor>& tensors);

}  // namespace decant
