#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "decant/consumer/tail_rule.h"
#include "decant/consumer/targets.h"
#include "decant/data/view_renderer.h"
#include "decant/models/network_spec.h"

namespace decant {

struct TrainOptions {
  uint32_t num_epochs = 1;
  uint32_t batch_size = 64;  // samples of a step, over all ranks
  uint32_t micro_batch = 0;  // samples of one forward pass, whose gradients add up to the step's; 0: all of the rank's
  double learning_rate = 1e-3;  // the peak: linear warm-up, then cosine to 0
  double weight_decay = 0.05;   // AdamW (Loshchilov and Hutter, ICLR 2019)
  double warmup_epochs = 1;
  double clip_norm = 0;            // largest norm of the gradient; 0: any
  double alpha = 1;                // share of the soft labels in the loss; the rest is the true classes'
  std::string tail = "uniform";    // TailRule
  double label_smoothing = 0;      // of the true classes
  bool hard_distillation = false;  // the teacher's likeliest class, beside the true one, in place of its soft label
  uint32_t evaluate_every = 1;     // epochs; the last one is evaluated anyway
  uint64_t save_steps = 0;         // steps between checkpoints; 0: at the end of each epoch alone
  uint64_t seed = 0;               // of the initial weights
  uint32_t threads = 1;            // of one tensor operation; results differ in the last bits between numbers
  std::string checkpoint;          // path of the trained network; "<path>.resume" is kept while training
  std::string metrics;             // path of the metrics, a JSON object a line and an epoch
};

struct EpochReport {
  uint32_t epoch = 0;  // finished, from 1
  double train_loss = 0;
  std::optional<double> test_accuracy;  // where it was evaluated
  double learning_rate = 0;             // of the epoch's last step
  double train_seconds = 0;             // of the steps, labels and views included
};

struct TrainReport {
  double test_accuracy = 0;  // of the trained network
  uint64_t num_parameters = 0;
  uint64_t num_steps = 0;       // of the whole training
  double train_seconds = 0;     // of this process's steps, labels and views included, evaluation excluded
  uint32_t epochs_resumed = 0;  // that an earlier process had done
};

// The ranks that train one network together, each with its part of the batches. Every rank gives the same options.
struct TrainRanks {
  uint32_t rank = 0;
  uint32_t size = 1;
  // Adds up the ranks' numbers, element by element, in place; null for one rank.
  std::function<void(std::span<float>)> sum;
};

struct TrainHooks {
  std::function<bool()> stop_requested;  // asked after every step
  std::function<void(const EpochReport&)> epoch_done;
};

// Trains a fresh network of `spec` on `targets` and writes it to options.checkpoint; evaluates on the views of `test`,
// its epoch 0. Continues from "<checkpoint>.resume", which all ranks must see, when it is there, with the same weights
// as an uninterrupted run (bit by bit with as many ranks, of one thread), also with another number of ranks. kMismatch
// when that was written by another training; kCancelled when a rank was asked to stop.
TrainReport Train(const NetworkSpec& spec, const TrainOptions& options, Targets& targets, const ViewRenderer& test,
                  const TrainHooks& hooks, const TrainRanks& ranks = {});

// Share of `test` that a checkpoint's network classifies right, in [0, 1].
double Evaluate(const std::string& checkpoint, const ViewRenderer& test);

}  // namespace decant
