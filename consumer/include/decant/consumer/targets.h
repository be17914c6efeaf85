#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "decant/consumer/stream.h"
#include "decant/data/view_renderer.h"

namespace decant {

// A rank's part of a global batch to learn from: n positions of an epoch of views.
struct TargetBatch {
  uint32_t epoch = 0;           // training epoch
  uint32_t view_epoch = 0;      // epoch of the views
  uint64_t global_size = 0;     // samples of the global batch
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
  // Global batches of a whole training epoch, the same for every rank.
  virtual uint64_t batches_per_epoch() const = 0;
  // The samples of the views.
  virtual const ImageSource& source() const = 0;
  // Classes that labels can name.
  virtual uint32_t num_classes() const = 0;
  // At which the labels hold.
  virtual double temperature() const = 0;
  // Where a checkpoint continues, and going there. The digest is empty without a store.
  virtual StreamState state() const = 0;
  virtual void StartAt(const StreamState& state) = 0;
  // What a checkpoint must match to continue with these targets.
  virtual std::string identity() const = 0;
};

struct TargetOptions {
  uint32_t num_epochs = 1;
  uint32_t batch_size = 64;  // of a global batch
  LastBatch last_batch = LastBatch::kShort;
  uint32_t rank = 0;
  uint32_t world_size = 1;
  unsigned threads = 1;     // that read labels
  double wait_seconds = 0;  // for labels that are being produced
};

// The labels of stores. `views` must render the stores' views of their dataset: where a store has the fingerprints of
// what the teacher saw, a batch of other views is kMismatch.
std::unique_ptr<Targets> MakeStoredTargets(std::shared_ptr<StoreSet> stores, const ViewRenderer& views,
                                           const TargetOptions& options);

// The true classes, without any store: one class for a plain view, two, by their shares, for a mixed one.
std::unique_ptr<Targets> MakeHardTargets(const ViewRenderer& views, const TargetOptions& options);

// Labels that a function computes from the rendered images, batch by batch: a teacher beside the student. `num_classes`
// and `temperature` are those of its labels. The function appends `n` labels for `images` [n, H, W, C].
using LabelFunction = std::function<void(const uint8_t* images, size_t n, LabelBatch* labels)>;
std::unique_ptr<Targets> MakeLiveTargets(const ViewRenderer& views, const TargetOptions& options, uint32_t num_classes,
                                         double temperature, LabelFunction label);

}  // namespace decant
