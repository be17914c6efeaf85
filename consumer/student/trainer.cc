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
#include "decant/base/hash.h"
#include "decant/consumer/sparse_loss.h"
#include "decant/models/checkpoint.h"
#include "decant/models/input.h"
#include "decant/models/threads.h"

#include "accuracy.h"
#include "metrics.h"

namespace decant {
namespace {

constexpr char kOptimizerTensor[] = "optimizer";
constexpr char kTrainingText[] = "training";

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// One class for a plain view, two, by their shares, for a mixed one.
HardTargets TrueClasses(std::span<const View> views, const ImageSource& source) {
  const auto n = static_cast<int64_t>(views.size());
  HardTargets targets = {.classes = torch::empty({n, 2}, torch::kInt64), .shares = torch::empty({n, 2})};
  for (int64_t i = 0; i < n; ++i) {
    const View& view = views[static_cast<size_t>(i)];
    int64_t* const classes = targets.classes.data_ptr<int64_t>() + 2 * i;
    float* const shares = targets.shares.data_ptr<float>() + 2 * i;
    classes[0] = source.Label(view.sample_id);
    classes[1] = source.Label(view.partner_id);
    shares[0] = static_cast<float>(view.own_share());
    shares[1] = 1 - shares[0];
  }
  return targets;
}

// One training, from its first step or from a checkpoint to its end.
class Trainer {
 public:
  Trainer(const NetworkSpec& spec, const TrainOptions& options, Targets& targets, const ViewRenderer& test,
          const TrainHooks& hooks, const TrainRanks& ranks)
      : spec_(spec),
        options_(options),
        targets_(targets),
        test_(test),
        hooks_(hooks),
        ranks_(ranks),
        loss_{.tail = ParseTailRule(options.tail),
              .temperature = targets.temperature(),
              .alpha = options.hard_distillation ? 0 : options.alpha,
              .label_smoothing = options.label_smoothing},
        network_(MakeNetwork(spec, options.seed)),
        optimizer_(network_->parameters(),
                   torch::optim::AdamWOptions(options.learning_rate).weight_decay(options.weight_decay)),
        identity_(Identity()) {}

  TrainReport Run();

 private:
  std::string ResumePath() const { return options_.checkpoint + ".resume"; }
  // What two processes of one training have in common.
  nlohmann::json Identity() const;
  void Resume();
  void RefuseOtherTraining(const nlohmann::json& identity) const;
  void RequireEqualStart();
  void SaveProgress() const;
  void SetLearningRate();
  torch::Tensor Loss(const TargetBatch& batch, size_t begin, size_t n);
  // False when a rank was asked to stop.
  bool Step(const TargetBatch& batch);
  // Adds up gradients and loss over the ranks; whether one of them was asked to stop.
  bool SumOverRanks(double* loss, bool stop);
  void FinishEpoch();

  const NetworkSpec spec_;
  const TrainOptions options_;
  Targets& targets_;
  const ViewRenderer& test_;
  const TrainHooks& hooks_;
  const TrainRanks& ranks_;
  const LossOptions loss_;
  std::shared_ptr<Network> network_;
  torch::optim::AdamW optimizer_;
  const nlohmann::json identity_;
  uint64_t num_steps_ = 0;
  uint32_t epochs_done_ = 0;
  double learning_rate_ = 0;
  // Of the epoch that is under way.
  double loss_sum_ = 0;
  uint64_t num_labels_ = 0;
  double seconds_ = 0;
  std::vector<float> sums_;
  std::optional<MetricsFile> metrics_;
  TrainReport report_;
};

nlohmann::json Trainer::Identity() const {
  return {{"network", ToJson(spec_)},
          {"module", spec_.module.empty() ? "" : Sha256HexOfFile(spec_.module)},
          {"targets", targets_.identity()},
          {"temperature", targets_.temperature()},
          {"epochs", options_.num_epochs},
          {"batch_size", options_.batch_size},
          {"learning_rate", options_.learning_rate},
          {"weight_decay", options_.weight_decay},
          {"warmup_epochs", options_.warmup_epochs},
          {"clip_norm", options_.clip_norm},
          {"alpha", options_.alpha},
          {"tail", options_.tail},
          {"label_smoothing", options_.label_smoothing},
          {"hard_distillation", options_.hard_distillation},
          {"seed", options_.seed},
          {"threads", options_.threads}};
}

void Trainer::SaveProgress() const {
  if (ranks_.rank != 0) return;
  TensorFile file;
  PutWeights(*network_, &file);
  std::ostringstream optimizer;
  torch::save(optimizer_, optimizer);
  std::string bytes = optimizer.str();
  file.tensors[kOptimizerTensor] =
      torch::from_blob(bytes.data(), {static_cast<int64_t>(bytes.size())}, torch::kUInt8).clone();
  const StreamState state = targets_.state();
  const nlohmann::json training = {{"identity", identity_},
                                   {"epochs_done", epochs_done_},
                                   {"steps", num_steps_},
                                   {"epoch", {{"loss_sum", loss_sum_}, {"labels", num_labels_}, {"seconds", seconds_}}},
                                   {"stream",
                                    {{"schema_digest", state.schema_digest},
                                     {"epoch", state.epoch},
                                     {"store_epoch", state.store_epoch},
                                     {"position", state.position}}}};
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
    const nlohmann::json& epoch = training.at("epoch");
    loss_sum_ = epoch.at("loss_sum");
    num_labels_ = epoch.at("labels");
    seconds_ = epoch.at("seconds");
    const nlohmann::json& stream = training.at("stream");
    targets_.StartAt({.schema_digest = stream.at("schema_digest"),
                      .epoch = stream.at("epoch"),
                      .store_epoch = stream.at("store_epoch"),
                      .position = stream.at("position")});
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
  const double total = static_cast<double>(targets_.batches_per_epoch()) * options_.num_epochs;
  const double warmup = std::min(options_.warmup_epochs * static_cast<double>(targets_.batches_per_epoch()), total);
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

// Of the samples [begin, begin + n) of the rank's part; their share of the global batch's mean.
torch::Tensor Trainer::Loss(const TargetBatch& batch, size_t begin, size_t n) {
  const torch::Tensor images = ImageTensor(batch.images, begin, n, test_.shape());
  const torch::Tensor logits = network_->Forward(NormalisedInput(images, spec_.mean, spec_.std));
  LabelBatch labels;
  labels.AppendRange(batch.labels, begin, begin + n);
  const SoftTargets soft = ToTargets(labels, loss_.temperature);
  HardTargets hard;
  if (loss_.alpha != 1) {
    hard = TrueClasses(std::span(batch.views).subspan(begin, n), targets_.source());
    if (options_.hard_distillation) hard = WithTeachersClass(hard, soft);
  }
  return DistillationLoss(logits, soft, hard, loss_, {}, static_cast<double>(batch.global_size));
}

bool Trainer::Step(const TargetBatch& batch) {
  const auto start = std::chrono::steady_clock::now();
  SetLearningRate();
  optimizer_.zero_grad();
  const size_t size = batch.views.size();
  const size_t micro_batch = options_.micro_batch == 0 ? size : options_.micro_batch;
  double loss = 0;
  for (size_t begin = 0; begin < size; begin += micro_batch) {
    const torch::Tensor part = Loss(batch, begin, std::min(micro_batch, size - begin));
    part.backward();
    loss += part.item<double>();
  }
  const bool stop = SumOverRanks(&loss, hooks_.stop_requested());
  if (options_.clip_norm > 0) torch::nn::utils::clip_grad_norm_(network_->parameters(), options_.clip_norm);
  optimizer_.step();
  ++num_steps_;
  loss_sum_ += loss * static_cast<double>(batch.global_size);
  num_labels_ += batch.global_size;
  seconds_ += SecondsSince(start);
  return !stop;
}

bool Trainer::SumOverRanks(double* loss, bool stop) {
  if (!ranks_.sum) return stop;
  sums_ = {static_cast<float>(*loss), stop ? 1.0f : 0.0f};
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& parameter : network_->parameters()) {
    if (!parameter.grad().defined()) parameter.mutable_grad() = torch::zeros_like(parameter);
    gradients.push_back(parameter.grad());
    const torch::Tensor flat = gradients.back().contiguous();
    sums_.insert(sums_.end(), flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  }
  ranks_.sum(sums_);
  *loss = double{sums_[0]};
  float* next = sums_.data() + 2;
  for (torch::Tensor& gradient : gradients) {
    gradient.copy_(torch::from_blob(next, gradient.sizes()));
    next += gradient.numel();
  }
  return sums_[1] > 0;
}

void Trainer::FinishEpoch() {
  ++epochs_done_;
  EpochReport epoch = {.epoch = epochs_done_,
                       .train_loss = loss_sum_ / static_cast<double>(num_labels_),
                       .learning_rate = learning_rate_,
                       .train_seconds = seconds_};
  if (!std::isfinite(epoch.train_loss)) {
    Fail(ErrorCode::kInvalidArgument, "the loss of epoch {} is not finite; lower train.learning_rate ({})",
         epochs_done_, options_.learning_rate);
  }
  const bool is_last = epochs_done_ == options_.num_epochs;
  if (is_last || epochs_done_ % options_.evaluate_every == 0) {
    epoch.test_accuracy = report_.test_accuracy = Accuracy(*network_, spec_, test_, ranks_);
  }
  report_.train_seconds += seconds_;
  metrics_->Append(epoch, num_steps_);  // a line whose epoch is not saved is dropped and written again
  loss_sum_ = seconds_ = 0;
  num_labels_ = 0;
  if (!is_last) SaveProgress();
  hooks_.epoch_done(epoch);
}

// Ranks that continue from different files would train different networks.
void Trainer::RequireEqualStart() {
  if (!ranks_.sum) return;
  std::vector<float> starts(ranks_.size);
  starts[ranks_.rank] = static_cast<float>(num_steps_);
  ranks_.sum(starts);
  const auto [least, most] = std::ranges::minmax(starts);
  if (least == most) return;
  Fail(ErrorCode::kMismatch,
       "{}: the ranks do not see the same file: they continue from steps {}; put train.checkpoint into a folder that "
       "all hosts share",
       ResumePath(), fmt::join(starts, ", "));
}

TrainReport Trainer::Run() {
  Resume();
  RequireEqualStart();
  metrics_.emplace(ranks_.rank == 0 ? options_.metrics : "", epochs_done_);
  network_->train();
  const double seconds_before = seconds_;
  TargetBatch batch;
  while (epochs_done_ < options_.num_epochs) {
    const uint64_t num_steps = targets_.batches_per_epoch() * (epochs_done_ + 1);
    while (num_steps_ < num_steps) {
      const auto start = std::chrono::steady_clock::now();
      if (!targets_.Next(&batch)) Fail(ErrorCode::kInternal, "the targets ended early, in epoch {}", epochs_done_ + 1);
      seconds_ += SecondsSince(start);
      const bool goes_on = Step(batch);
      const bool is_due = options_.save_steps > 0 && num_steps_ % options_.save_steps == 0;
      if (num_steps_ == num_steps) {
        FinishEpoch();
      } else if (is_due || !goes_on) {
        SaveProgress();
      }
      if (!goes_on && epochs_done_ < options_.num_epochs) {
        Fail(ErrorCode::kCancelled, "stopped in epoch {} after step {}; running again continues there", batch.epoch + 1,
             num_steps_);
      }
    }
  }
  report_.train_seconds -= seconds_before;
  report_.num_parameters = CountParameters(*network_);
  report_.num_steps = num_steps_;
  if (ranks_.rank == 0) {
    SaveNetwork(options_.checkpoint, spec_, *network_);
    std::filesystem::remove(ResumePath());
  }
  return report_;
}

}  // namespace

TrainReport Train(const NetworkSpec& spec, const TrainOptions& options, Targets& targets, const ViewRenderer& test,
                  const TrainHooks& hooks, const TrainRanks& ranks) {
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
  if (!(options.clip_norm >= 0) || options.evaluate_every == 0) {
    Fail(ErrorCode::kInvalidArgument, "train.clip_norm {} must not be below 0, train.evaluate_every {} at least 1",
         options.clip_norm, options.evaluate_every);
  }
  SetIntraOpThreads(static_cast<int>(options.threads));
  return Trainer(spec, options, targets, test, hooks, ranks).Run();
}

double Evaluate(const std::string& checkpoint, const ViewRenderer& test) {
  const LoadedNetwork loaded = LoadNetwork(checkpoint);
  return Accuracy(*loaded.network, loaded.spec, test, {});
}

}  // namespace decant
