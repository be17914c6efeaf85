#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "decant/consumer/stream.h"
#include "decant/data/view_renderer.h"

namespace decant {

// A batch to learn from: `labels.size()` consecutive positions of an epoch of views.
struct TargetBatch {
  uint32_t epoch = 0;           // training epoch
  uint32_t view_epoch = 0;      // epoch of the views
  uint64_t position = 0;        // of the first label
  std::vector<View> views;      // [n]
  std::vector<uint8_t> images;  // [n, H, W, C], rendered
  LabelBatch labels;            // [n]
};

// What a student learns from: batches in the order of the positions, epoch after epoch. Not thread-safe.
class Targets {
 public:
  virtual ~Targets() = default;
  // The next batch, in re-used memory; false after the last epoch.
  virtual bool Next(TargetBatch* batch) = 0;
  // Labels of an epoch.
  virtual uint64_t num_samples() const = 0;
  // Classes that labels can name.
  virtual uint32_t num_classes() const = 0;
  // At which the labels hold.
  virtual double temperature() const = 0;
  // Goes to the beginning of a training epoch.
  virtual void StartAt(uint32_t epoch) = 0;
  // What a checkpoint must match to continue with these targets.
  virtual std::string identity() const = 0;
};

struct TargetOptions {
  uint32_t num_epochs = 1;
  uint32_t batch_size = 64;
};

// The labels of a store. `views` must render the store's views of the store's dataset: where the store has the
// fingerprints of what the teacher saw, a batch of other views is kMismatch.
std::unique_ptr<Targets> MakeStoredTargets(std::shared_ptr<const StoreReader> store, const ViewRenderer& views,
                                           const TargetOptions& options);

// The true classes, without any store: one class for a plain view, two, by their shares, for a mixed one.
std::unique_ptr<Targets> MakeHardTargets(const ViewRenderer& views, const TargetOptions& options);

// Labels that a function computes from the rendered images, batch by batch: a teacher beside the student. `num_classes`
// and `temperature` are those of its labels. The function appends `n` labels for `images` [n, H, W, C].
using LabelFunction = std::function<void(const uint8_t* images, size_t n, LabelBatch* labels)>;
std::unique_ptr<Targets> MakeLiveTargets(const ViewRenderer& views, const TargetOptions& options, uint32_t num_classes,
                                         double temperature, LabelFunction label);

}  // namespace decant
