#include "decant/consumer/targets.h"

#include <algorithm>
#include <cmath>

#include "../stream/epoch_plan.h"

namespace decant {
namespace {

// Finds and renders the views of these positions; returns their fingerprints.
std::vector<uint16_t> RenderViews(const ViewRenderer& renderer, const std::vector<uint64_t>& positions,
                                  TargetBatch* batch) {
  const Order order = renderer.OrderOf(batch->view_epoch);
  const size_t image_bytes = renderer.shape().num_bytes();
  batch->views.clear();
  batch->images.resize(positions.size() * image_bytes);
  std::vector<uint16_t> fingerprints(positions.size());
  for (size_t i = 0; i < positions.size(); ++i) {
    batch->views.push_back(renderer.ViewAt(order, batch->view_epoch, positions[i]));
    fingerprints[i] = renderer.Render(batch->views.back(), batch->view_epoch, batch->images.data() + i * image_bytes);
  }
  return fingerprints;
}

StreamOptions ToStreamOptions(const TargetOptions& options) {
  return {.batch_size = options.batch_size,
          .num_epochs = options.num_epochs,
          .last_batch = options.last_batch,
          .rank = options.rank,
          .world_size = options.world_size,
          .threads = options.threads,
          .wait_seconds = options.wait_seconds};
}

uint64_t BatchesOf(uint64_t num_samples, const TargetOptions& options) {
  const uint64_t spare = options.last_batch == LastBatch::kDrop ? 0 : options.batch_size - 1;
  return (num_samples + spare) / options.batch_size;
}

class StoredTargets : public Targets {
 public:
  StoredTargets(std::shared_ptr<StoreSet> stores, const ViewRenderer& views, const TargetOptions& options)
      : stores_(std::move(stores)), views_(views), options_(options) {
    stream_ = std::make_unique<Stream>(stores_, ToStreamOptions(options_));
  }

  bool Next(TargetBatch* batch) override {
    if (!stream_->Next(&stream_batch_)) return false;
    batch->epoch = stream_batch_.epoch;
    batch->view_epoch = stores_->EpochOf(stream_batch_.store_epoch).epoch;
    batch->global_size = stream_batch_.global_size;
    CheckViewFingerprints(stream_batch_, RenderViews(views_, stream_batch_.positions, batch));
    std::swap(batch->labels, stream_batch_.labels);
    return true;
  }
  uint64_t batches_per_epoch() const override { return BatchesOf(stores_->num_samples(), options_); }
  const ImageSource& source() const override { return views_.source(); }
  uint32_t num_classes() const override { return stores_->num_classes(); }
  double temperature() const override { return stores_->temperature(); }
  StreamState state() const override { return stream_->state(); }
  void StartAt(const StreamState& state) override {
    stream_.reset();
    stream_ = std::make_unique<Stream>(stores_, ToStreamOptions(options_), state);
  }
  std::string identity() const override { return "store " + stores_->digest(); }

 private:
  std::shared_ptr<StoreSet> stores_;
  const ViewRenderer& views_;
  TargetOptions options_;
  std::unique_ptr<Stream> stream_;
  StreamBatch stream_batch_;
};

// Walks over the positions of the epochs; a derived class makes the labels.
class ComputedTargets : public Targets {
 public:
  ComputedTargets(const ViewRenderer& views, const TargetOptions& options) : views_(views), options_(options) {
    StartAt({});
  }

  bool Next(TargetBatch* batch) override {
    std::optional<PositionRange> range;
    while (state_.epoch < options_.num_epochs && !(range = plan_->BatchAt(state_.position))) {
      StartAt({.epoch = state_.epoch + 1, .store_epoch = state_.epoch + 1});
    }
    if (!range) return false;
    batch->epoch = batch->view_epoch = state_.epoch;
    batch->global_size = range->size();
    const PositionRange part = plan_->PartOf(*range);
    std::vector<uint64_t> positions;
    for (uint64_t position = part.begin; position < part.end; ++position) {
      positions.push_back(plan_->StorePosition(position));
    }
    RenderViews(views_, positions, batch);
    batch->labels.Clear();
    if (!batch->views.empty()) MakeLabels(*batch, &batch->labels);
    state_.position = range->end;
    return true;
  }
  uint64_t batches_per_epoch() const override { return BatchesOf(views_.source().num_samples(), options_); }
  const ImageSource& source() const override { return views_.source(); }
  StreamState state() const override { return state_; }
  void StartAt(const StreamState& state) override {
    state_ = state;
    const auto num_samples = views_.source().num_samples();
    const Layout layout = {.num_samples = num_samples, .num_epochs = 1, .chunk_size = 1, .span_chunks = 1};
    plan_.emplace(layout, ToStreamOptions(options_), state.position, std::nullopt);
  }

 protected:
  virtual void MakeLabels(const TargetBatch& batch, LabelBatch* labels) = 0;
  const ViewRenderer& views() const { return views_; }

 private:
  const ViewRenderer& views_;
  TargetOptions options_;
  StreamState state_;
  std::optional<EpochPlan> plan_;
};

class HardTargets : public ComputedTargets {
 public:
  using ComputedTargets::ComputedTargets;
  uint32_t num_classes() const override { return views().source().num_classes(); }
  double temperature() const override { return 1; }
  std::string identity() const override { return "hard " + views().Identity().dump(); }

 private:
  void MakeLabels(const TargetBatch& batch, LabelBatch* labels) override {
    for (const View& view : batch.views) {
      const uint32_t own = views().source().Label(view.sample_id);
      const uint32_t partner = views().source().Label(view.partner_id);
      const auto own_share = static_cast<float>(view.own_share());
      if (own == partner || own_share == 1) {
        labels->Append(std::vector{own}, std::vector{0.0f}, 0);
      } else if (own < partner) {
        labels->Append(std::vector{own, partner}, std::vector{std::log(own_share), std::log1p(-own_share)}, 0);
      } else {
        labels->Append(std::vector{partner, own}, std::vector{std::log1p(-own_share), std::log(own_share)}, 0);
      }
    }
  }
};

class LiveTargets : public ComputedTargets {
 public:
  LiveTargets(const ViewRenderer& views, const TargetOptions& options, uint32_t num_classes, double temperature,
              LabelFunction label)
      : ComputedTargets(views, options),
        num_classes_(num_classes),
        temperature_(temperature),
        label_(std::move(label)) {}
  uint32_t num_classes() const override { return num_classes_; }
  double temperature() const override { return temperature_; }
  std::string identity() const override { return "live " + views().Identity().dump(); }

 private:
  void MakeLabels(const TargetBatch& batch, LabelBatch* labels) override {
    label_(batch.images.data(), batch.views.size(), labels);
  }
  uint32_t num_classes_;
  double temperature_;
  LabelFunction label_;
};

}  // namespace

std::unique_ptr<Targets> MakeStoredTargets(std::shared_ptr<StoreSet> stores, const ViewRenderer& views,
                                           const TargetOptions& options) {
  return std::make_unique<StoredTargets>(std::move(stores), views, options);
}

std::unique_ptr<Targets> MakeHardTargets(const ViewRenderer& views, const TargetOptions& options) {
  return std::make_unique<HardTargets>(views, options);
}

std::unique_ptr<Targets> MakeLiveTargets(const ViewRenderer& views, const TargetOptions& options, uint32_t num_classes,
                                         double temperature, LabelFunction label) {
  return std::make_unique<LiveTargets>(views, options, num_classes, temperature, std::move(label));
}

}  // namespace decant
