#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/data/image.h"
#include "decant/producer/select.h"
#include "decant/store/soft_label.h"

namespace decant {

struct TeacherOptions {
  std::vector<std::string> path;   // native checkpoints or TorchScript files: one, or the members of an ensemble
  std::vector<double> weights;     // of the members, each above 0, divided by their sum; empty: equal ones
  std::string output;              // the name of a dict's entry or a tuple's field, or an index; empty: the only tensor
  std::string precision = "fp32";  // "fp32", "bf16", or "fp16" (CUDA only): of weights, inputs and outputs
  std::string device = "cpu";      // "cpu", "cuda" (the one that LocalRank() says) or "cuda:N"
  std::vector<double> mean = {0.5};  // normalisation of pixels scaled to [0, 1]; a native checkpoint has its own
  std::vector<double> std = {0.5};
  std::vector<uint32_t> image_size;  // [side] or [height, width] of the views for the teacher; empty: the data's
  uint32_t batch_size = 64;          // images or windows of every forward pass: the last batch is padded
  uint32_t threads = 1;              // of one forward pass on the CPU
};

// What a teacher labels: images of one shape or, where `tokens` is not 0, windows of so many token ids at most.
struct TeacherInput {
  ImageShape image;
  uint32_t tokens = 0;
};

// The weights of the members, which sum to 1. kInvalidArgument for another number of weights than of files, and for one
// that is not above 0.
std::vector<double> NormalisedWeights(const TeacherOptions& options);

// What the schema records of a teacher. `members` are its networks, one or more, each with its digest and kind and, for
// images, the normalisation of its input. `weights` are those of the members, where there are several.
nlohmann::json TeacherIdentity(std::vector<nlohmann::json> members, const std::vector<double>& weights,
                               const TeacherOptions& options, const TeacherInput& input);

// A window of tokens and the places that get labels.
struct TokenWindow {
  uint32_t epoch = 0;
  uint64_t sample_id = 0;
  std::span<const uint32_t> tokens;        // 1 to TeacherInput::tokens ids
  std::span<const uint32_t> positions;     // ascending, below tokens.size()
  std::span<const uint32_t> true_classes;  // [positions.size()], or empty when labels do not have the true class
};

// A network in evaluation mode, or several, that map inputs to logits. An ensemble's logits are the logarithm of the
// weighted mean of its members' probabilities: log(sum_i w_i softmax(z_i)).
//
// Batch size and threads of a forward pass are fixed, because logits differ in the last bits between them. Thread-safe:
// each thread that calls runs a forward pass of its own, with `threads` threads on the CPU or on a stream of its own on
// a GPU, and gets the same logits as any other.
class Teacher {
 public:
  // Loads the files and runs one batch. kNotFound without a file; kInvalidArgument when one is of another kind, needs
  // another LibTorch, has no such output, or gives anything but logits [batch, classes] ([batch, tokens, classes] for
  // windows) as float32, bfloat16 or float16; kMismatch when it wants other images, or the members of an ensemble have
  // different classes; kDataLoss when it is damaged; kUnavailable without the device; kExhausted without memory.
  Teacher(const TeacherOptions& options, const TeacherInput& input);
  Teacher(const TeacherOptions& options, const ImageShape& shape) : Teacher(options, TeacherInput{.image = shape}) {}
  ~Teacher();

  uint32_t num_classes() const;
  uint32_t batch_size() const;
  // Of all members.
  uint64_t num_parameters() const;
  // What the schema records of the teacher: SHA-256 of the files, kinds, output, precision, device, what the input is,
  // and the shape of a batch.
  nlohmann::json Identity() const;

  // Logits [n, num_classes()], row by row, of `n` images (uint8 [n, H, W, C]).
  void Logits(const uint8_t* images, size_t n, std::vector<float>* logits);
  // Logits [n, num_classes()] of the `n` positions of at most batch_size() windows, one after the other.
  void TokenLogits(std::span<const TokenWindow> windows, std::vector<float>* logits);
  // Appends the soft labels of views.size() images, at most batch_size(): one forward pass. kInvalidArgument, naming
  // the sample, for logits that are not finite.
  void Label(const uint8_t* images, std::span<const SelectedView> views, LabelSelector* selector, LabelBatch* labels);
  // Appends a label for each position of each window, at most batch_size() of them, and the end of each window to
  // labels->window_offsets; the hashes are the caller's. Windows are padded on the right with token 0. A TorchScript
  // network whose forward() takes a second argument gets the attention mask there: int64 [batch, tokens], 1 for tokens
  // and 0 for padding.
  void LabelTokens(std::span<const TokenWindow> windows, LabelSelector* selector, LabelBatch* labels);

  // XXH3-128, in hexadecimal digits, of the logits of a fixed batch of noise: differs when processor or libraries make
  // other logits. Runs the batch twice; kInvalidArgument when that gives different logits, as with dropout left on.
  std::string ProbeDigest();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// This process's number among those of the same host: OMPI_COMM_WORLD_LOCAL_RANK, else SLURM_LOCALID, else 0. The CUDA
// device "cuda" is this number modulo the devices.
uint32_t LocalRank();

// "1.13.1"
std::string LibTorchVersion();

}  // namespace decant
