#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/data/source.h"
#include "decant/producer/select.h"

namespace decant {

struct TeacherOptions {
  std::string path;                  // a native checkpoint or a TorchScript file
  std::vector<double> mean = {0.5};  // normalisation of pixels scaled to [0, 1]; a native checkpoint has its own
  std::vector<double> std = {0.5};
  uint32_t batch_size = 64;  // images of every forward pass: the last batch of a chunk is padded
  uint32_t threads = 1;      // that one forward pass uses
};

// A network in evaluation mode that maps images to logits. Batch size and threads are fixed, because logits differ in
// the last bits between them. Not thread-safe; sets the process's intra-op threads.
class Teacher {
 public:
  // Loads the file and runs one batch. kNotFound without the file; kInvalidArgument when it is neither kind of file or
  // its output is not float32 [batch, classes]; kDataLoss when it is damaged.
  Teacher(const TeacherOptions& options, const ImageShape& shape);
  ~Teacher();

  uint32_t num_classes() const;
  uint32_t batch_size() const;
  uint64_t num_parameters() const;
  // What the schema records of the teacher: SHA-256 of the file, kind, precision, normalisation, batch shape.
  nlohmann::json Identity() const;

  // Logits [n, num_classes()], row by row, of `n` images (uint8 [n, H, W, C]).
  void Logits(const uint8_t* images, size_t n, std::vector<float>* logits);
  // Appends the soft labels of a batch of images.
  void Label(const uint8_t* images, std::span<const SelectedView> views, LabelSelector* selector, LabelBatch* labels);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "1.13.1"
std::string LibTorchVersion();

}  // namespace decant
