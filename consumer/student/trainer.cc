#include "decant/consumer/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numbers>
#include <sstream>

#include <torch/torch.h>

#include "decant/base/error.h"
#include "decant/consumer/sparse_loss.h"
#include "decant/models/checkpoint.h"
#include "decant/models/input.h"
#include "decant/models/threads.h"

#include "metrics.h"

namespace decant {
namespace {

constexpr char kOptimizerTensor[] = "optimizer";
constexpr char kTrainingText[] = "training";
constexpr size_t kEvaluationBatch = 256;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

torch::Tensor ImageTensor(std::vector<uint8_t>& images, size_t n, const ImageShape& shape) {
  return torch::from_blob(images.data(), {static_cast<int64_t>(n), shape.height, shape.width, shape.channels},
                          torch::kUInt8);
}

double Accuracy(Network& network, const NetworkSpec& spec, const ViewRenderer& test) {
  const torch::NoGradGuard no_grad;
  const uint64_t num_samples = test.source().num_samples();
  const Order order = test.OrderOf(0);
  const ImageShape shape = test.shape();
  network.eval();
  uint64_t num_right = 0;
  std::vector<uint8_t> images(kEvaluationBatch * shape.num_bytes());
  std::vector<uint32_t> labels(kEvaluationBatch);
  for (uint64_t begin = 0; begin < num_samples; begin += kEvaluationBatch) {
    const size_t n = std::min<uint64_t>(kEvaluationBatch, num_samples - begin);
    for (size_t i = 0; i < n; ++i) {
      const View view = test.ViewAt(order, 0, begin + i);
      test.Render(view, 0, images.data() + i * shape.num_bytes());
      labels[i] = test.source().Label(view.sample_id);
    }
    const torch::Tensor logits = network.Forward(NormalisedInput(ImageTensor(images, n, shape), spec.mean, spec.std));
    const torch::Tensor best = logits.argmax(1);
    const auto* classes = best.data_ptr<int64_t>();
    for (size_t i = 0; i < n; ++i) num_right += classes[i] == labels[i];
  }
  network.train();
  return static_cast<double>(num_right) / static_cast<double>(num_samples);
}

// One training, from its first step or from a checkpoint to its end.
class Trainer {
 public:
  Trainer(const NetworkSpec& spec, const TrainOptions& options, Targets& targets, const ViewRenderer& test,
          const TrainHooks& hooks)
      : spec_(spec),
        options_(options),
        targets_(targets),
        test_(test),
        hooks_(hooks),
        network_(MakeNetwork(spec, options.seed)),
        optimizer_(network_->parameters(),
                   torch::optim::AdamWOptions(options.learning_rate).weight_decay(options.weight_decay)),
        identity_(Identity()) {}

  TrainReport Run();

 private:
  std::string ResumePath() const { return options_.checkpoint + ".resume"; }
  uint64_t StepsPerEpoch() const { return (targets_.num_samples() + options_.batch_size - 1) / options_.batch_size; }
  // What two processes of one training have in common.
  nlohmann::json Identity() const;
  void Resume();
  void RefuseOtherTraining(const nlohmann::json& identity) const;
  void SaveProgress() const;
  void SetLearningRate();
  double Step(TargetBatch* batch);
  void FinishEpoch(double loss_sum, uint64_t num_labels, double seconds);

  const NetworkSpec spec_;
  const TrainOptions options_;
  Targets& targets_;
  const ViewRenderer& test_;
  const TrainHooks& hooks_;
  std::shared_ptr<Network> network_;
  torch::optim::AdamW optimizer_;
  const nlohmann::json identity_;
  uint64_t num_steps_ = 0;
  uint32_t epochs_done_ = 0;
  double learning_rate_ = 0;
  std::optional<MetricsFile> metrics_;
  TrainReport report_;
};

nlohmann::json Trainer::Identity() const {
  return {{"network", ToJson(spec_)},
          {"targets", targets_.identity()},
          {"epochs", options_.num_epochs},
          {"batch_size", options_.batch_size},
          {"learning_rate", options_.learning_rate},
          {"weight_decay", options_.weight_decay},
          {"warmup_epochs", options_.warmup_epochs},
          {"seed", options_.seed},
          {"threads", options_.threads}};
}

void Trainer::SaveProgress() const {
  TensorFile file;
  PutWeights(*network_, &file);
  std::ostringstream optimizer;
  torch::save(optimizer_, optimizer);
  std::string bytes = optimizer.str();
  file.tensors[kOptimizerTensor] =
      torch::from_blob(bytes.data(), {static_cast<int64_t>(bytes.size())}, torch::kUInt8).clone();
  nlohmann::json training = {{"identity", identity_}, {"epochs_done", epochs_done_}, {"steps", num_steps_}};
  file.texts[kTrainingText] = training.dump();
  WriteTensorFile(ResumePath(), file);
}

void Trainer::Resume() {
  if (std::error_code error; !std::filesystem::exists(ResumePath(), error)) return;
  const TensorFile file = ReadTensorFile(ResumePath());
  try {
    const auto training = nlohmann::json::parse(file.texts.at(kTrainingText));
    RefuseOtherTraining(training.at("identity"));
    epochs_done_ = training.at("epochs_done");
    num_steps_ = training.at("steps");
    TakeWeights(file, ResumePath(), network_.get());
    const torch::Tensor& bytes = file.tensors.at(kOptimizerTensor);
    std::istringstream optimizer(std::string(static_cast<const char*>(bytes.data_ptr()), bytes.nbytes()));
    torch::load(optimizer_, optimizer);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    Fail(ErrorCode::kDataLoss, "{}: not a training's checkpoint: {}; remove it to begin anew", ResumePath(),
         error.what());
  }
  report_.epochs_resumed = epochs_done_;
}

void Trainer::RefuseOtherTraining(const nlohmann::json& identity) const {
  if (identity == identity_) return;
  std::string text;
  for (const auto& [key, value] : identity.items()) {
    const nlohmann::json found = identity_.value(key, nlohmann::json());
    if (found != value) text += fmt::format("; {}: expected {}, found {}", key, value.dump(), found.dump());
  }
  Fail(ErrorCode::kMismatch, "{} was written by another training{}; restore the job or remove the file", ResumePath(),
       text);
}

void Trainer::SetLearningRate() {
  const double total = static_cast<double>(StepsPerEpoch()) * options_.num_epochs;
  const double warmup = std::min(options_.warmup_epochs * static_cast<double>(StepsPerEpoch()), total);
  const double step = static_cast<double>(num_steps_) + 1;
  double factor = 1;
  if (step <= warmup) {
    factor = step / warmup;
  } else {
    factor = 0.5 * (1 + std::cos(std::numbers::pi * (step - 1 - warmup) / std::max(1.0, total - warmup)));
  }
  learning_rate_ = options_.learning_rate * factor;
  for (auto& group : optimizer_.param_groups()) {
    static_cast<torch::optim::AdamWOptions&>(group.options()).lr(learning_rate_);
  }
}

double Trainer::Step(TargetBatch* batch) {
  SetLearningRate();
  const torch::Tensor images = ImageTensor(batch->images, batch->labels.size(), test_.shape());
  const torch::Tensor logits = network_->Forward(NormalisedInput(images, spec_.mean, spec_.std));
  const double temperature = targets_.temperature();
  const torch::Tensor loss = SoftCrossEntropy(logits, ToTargets(batch->labels), temperature);
  optimizer_.zero_grad();
  // Gradients of labels at temperature T shrink with 1 / T^2 (Hinton et al., 2015).
  (loss * (temperature * temperature)).backward();
  optimizer_.step();
  ++num_steps_;
  return loss.item<double>();
}

void Trainer::FinishEpoch(double loss_sum, uint64_t num_labels, double seconds) {
  ++epochs_done_;
  EpochReport epoch = {.epoch = epochs_done_,
                       .train_loss = loss_sum / static_cast<double>(num_labels),
                       .test_accuracy = Accuracy(*network_, spec_, test_),
                       .learning_rate = learning_rate_,
                       .train_seconds = seconds};
  if (!std::isfinite(epoch.train_loss)) {
    Fail(ErrorCode::kInvalidArgument, "the loss of epoch {} is not finite; lower train.learning_rate ({})",
         epochs_done_, options_.learning_rate);
  }
  report_.test_accuracy = epoch.test_accuracy;
  report_.train_seconds += seconds;
  metrics_->Append(epoch, num_steps_);  // a line whose epoch is not saved is dropped and written again
  if (epochs_done_ < options_.num_epochs) SaveProgress();
  hooks_.epoch_done(epoch);
}

TrainReport Trainer::Run() {
  Resume();
  metrics_.emplace(options_.metrics, epochs_done_);
  targets_.StartAt(epochs_done_);
  network_->train();
  TargetBatch batch;
  while (epochs_done_ < options_.num_epochs) {
    const auto start = std::chrono::steady_clock::now();
    double loss_sum = 0;
    uint64_t num_labels = 0;
    while (num_labels < targets_.num_samples() && targets_.Next(&batch)) {
      loss_sum += Step(&batch) * static_cast<double>(batch.labels.size());
      num_labels += batch.labels.size();
      if (hooks_.stop_requested()) {
        Fail(ErrorCode::kCancelled, "stopped in epoch {}; running again continues after epoch {}", epochs_done_ + 1,
             epochs_done_);
      }
    }
    FinishEpoch(loss_sum, num_labels, SecondsSince(start));
  }
  SaveNetwork(options_.checkpoint, spec_, *network_);
  std::filesystem::remove(ResumePath());
  report_.num_parameters = CountParameters(*network_);
  report_.num_steps = num_steps_;
  return report_;
}

}  // namespace

TrainReport Train(const NetworkSpec& spec, const TrainOptions& options, Targets& targets, const ViewRenderer& test,
                  const TrainHooks& hooks) {
  if (options.num_epochs == 0 || options.batch_size == 0 || options.threads == 0 || options.checkpoint.empty()) {
    Fail(ErrorCode::kInvalidArgument,
         "train.epochs {}, train.batch_size {} and train.threads {} must be at least 1, train.checkpoint ('{}') a path",
         options.num_epochs, options.batch_size, options.threads, options.checkpoint);
  }
  if (!(options.learning_rate > 0) || options.weight_decay < 0 || options.warmup_epochs < 0) {
    Fail(ErrorCode::kInvalidArgument,
         "train.learning_rate {} must be above 0, train.weight_decay {} and train.warmup_epochs {} not below 0",
         options.learning_rate, options.weight_decay, options.warmup_epochs);
  }
  SetIntraOpThreads(static_cast<int>(options.threads));
  return Trainer(spec, options, targets, test, hooks).Run();
}

double Evaluate(const std::string& checkpoint, const ViewRenderer& test) {
  const LoadedNetwork loaded = LoadNetwork(checkpoint);
  return Accuracy(*loaded.network, loaded.spec, test);
}

}  // namespace decant
