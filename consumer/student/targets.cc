#include "decant/consumer/targets.h"

#include <algorithm>
#include <cmath>

namespace decant {
namespace {

// Finds and renders the views of `count` positions; returns their fingerprints.
std::vector<uint16_t> RenderViews(const ViewRenderer& renderer, size_t count, TargetBatch* batch) {
  const Order order = renderer.OrderOf(batch->view_epoch);
  const size_t image_bytes = renderer.shape().num_bytes();
  batch->views.clear();
  batch->images.resize(count * image_bytes);
  std::vector<uint16_t> fingerprints(count);
  for (size_t i = 0; i < count; ++i) {
    batch->views.push_back(renderer.ViewAt(order, batch->view_epoch, batch->position + i));
    fingerprints[i] = renderer.Render(batch->views.back(), batch->view_epoch, batch->images.data() + i * image_bytes);
  }
  return fingerprints;
}

class StoredTargets : public Targets {
 public:
  StoredTargets(std::shared_ptr<const StoreReader> store, const ViewRenderer& views, const TargetOptions& options)
      : store_(std::move(store)), views_(views), options_(options) {
    StartAt(0);
  }

  bool Next(TargetBatch* batch) override {
    if (!stream_->Next(&stream_batch_)) return false;
    batch->epoch = stream_batch_.epoch;
    batch->view_epoch = stream_batch_.store_epoch;
    batch->position = stream_batch_.position;
    CheckViewFingerprints(stream_batch_, RenderViews(views_, stream_batch_.sample_ids.size(), batch));
    std::swap(batch->labels, stream_batch_.labels);
    return true;
  }
  uint64_t num_samples() const override { return store_->schema().layout.num_samples; }
  uint32_t num_classes() const override { return store_->schema().codec.num_classes; }
  double temperature() const override { return store_->schema().codec.temperatures.front(); }
  void StartAt(uint32_t epoch) override {
    const StreamOptions options = {.batch_size = options_.batch_size, .num_epochs = options_.num_epochs};
    stream_ = std::make_unique<Stream>(store_, options,
                                       StreamState{.schema_digest = SchemaDigest(store_->schema()), .epoch = epoch});
  }
  std::string identity() const override { return "store " + SchemaDigest(store_->schema()); }

 private:
  std::shared_ptr<const StoreReader> store_;
  const ViewRenderer& views_;
  TargetOptions options_;
  std::unique_ptr<Stream> stream_;
  StreamBatch stream_batch_;
};

// Walks over the positions of the epochs; a derived class makes the labels.
class ComputedTargets : public Targets {
 public:
  ComputedTargets(const ViewRenderer& views, const TargetOptions& options) : views_(views), options_(options) {}

  bool Next(TargetBatch* batch) override {
    if (position_ >= num_samples()) StartAt(epoch_ + 1);
    if (epoch_ >= options_.num_epochs) return false;
    batch->epoch = epoch_;
    batch->view_epoch = epoch_;
    batch->position = position_;
    const size_t count = std::min<uint64_t>(options_.batch_size, num_samples() - position_);
    RenderViews(views_, count, batch);
    batch->labels.Clear();
    MakeLabels(*batch, &batch->labels);
    position_ += count;
    return true;
  }
  uint64_t num_samples() const override { return views_.source().num_samples(); }
  void StartAt(uint32_t epoch) override {
    epoch_ = epoch;
    position_ = 0;
  }

 protected:
  virtual void MakeLabels(const TargetBatch& batch, LabelBatch* labels) = 0;
  const ViewRenderer& views() const { return views_; }

 private:
  const ViewRenderer& views_;
  TargetOptions options_;
  uint32_t epoch_ = 0;
  uint64_t position_ = 0;
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

std::unique_ptr<Targets> MakeStoredTargets(std::shared_ptr<const StoreReader> store, const ViewRenderer& views,
                                           const TargetOptions& options) {
  return std::make_unique<StoredTargets>(std::move(store), views, options);
}

std::unique_ptr<Targets> MakeHardTargets(const ViewRenderer& views, const TargetOptions& options) {
  return std::make_unique<HardTargets>(views, options);
}

std::unique_ptr<Targets> MakeLiveTargets(const ViewRenderer& views, const TargetOptions& options, uint32_t num_classes,
                                         double temperature, LabelFunction label) {
  return std::make_unique<LiveTargets>(views, options, num_classes, temperature, std::move(label));
}

}  // namespace decant
