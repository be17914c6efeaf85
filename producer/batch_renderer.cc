#include "decant/producer/batch_renderer.h"

#include <algorithm>
#include <array>
#include <utility>

namespace decant {
namespace {

// The images of a view and its partner. Neighbours in an order are each other's partners, so both are often there.
class DecodedPair {
 public:
  explicit DecodedPair(const ImageSource& source) : source_(source) {}

  // The images of both samples, which may be one.
  std::pair<const Image&, const Image&> Get(uint64_t own_id, uint64_t partner_id) {
    const size_t own = Find(own_id, partner_id);
    const size_t partner = own_id == partner_id ? own : Find(partner_id, own_id);
    return {images_[own], images_[partner]};
  }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};

  // Decodes a sample over the image that is not `kept_id`'s, unless it is there.
  size_t Find(uint64_t sample_id, uint64_t kept_id) {
    if (ids_[0] == sample_id) return 0;
    if (ids_[1] == sample_id) return 1;
    const size_t slot = ids_[0] == kept_id ? 1 : 0;
    ids_[slot] = kNone;
    source_.ReadImage(sample_id, &images_[slot]);
    ids_[slot] = sample_id;
    return slot;
  }

  const ImageSource& source_;
  std::array<uint64_t, 2> ids_ = {kNone, kNone};
  std::array<Image, 2> images_;
};

class ImageBatchRenderer : public BatchRenderer {
 public:
  explicit ImageBatchRenderer(const ViewRenderer& views) : views_(views) {}

  void Render(uint32_t epoch, std::span<const uint64_t> positions, std::span<TeacherBatch> batches) const override {
    const size_t image_bytes = views_.shape().num_bytes();
    for (TeacherBatch& batch : batches) {
      batch.views.clear();
      batch.fingerprints.clear();
      batch.images.resize(positions.size() * image_bytes);
    }
    const Order order = views_.OrderOf(epoch);
    DecodedPair decoded(views_.source());
    for (size_t i = 0; i < positions.size(); ++i) {
      for (uint32_t e = 0; e < batches.size(); ++e) {
        const View view = views_.ViewAt(order, epoch + e, positions[i]);
        const auto [own, partner] = decoded.Get(view.sample_id, view.partner_id);
        batches[e].fingerprints.push_back(
            views_.Render(view, epoch + e, own, partner, batches[e].images.data() + i * image_bytes));
        batches[e].views.push_back(
            {.epoch = epoch + e, .sample_id = view.sample_id, .true_class = views_.source().Label(view.sample_id)});
      }
    }
  }

 private:
  const ViewRenderer& views_;
};

// What a position's label is about: the token that was masked there, or the one that comes next.
std::vector<uint32_t> TrueClasses(const std::vector<uint32_t>& tokens, const TokenView& view, bool masked) {
  std::vector<uint32_t> classes;
  for (const uint32_t position : view.positions) {
    classes.push_back(tokens[masked ? position : std::min<size_t>(position + 1, tokens.size() - 1)]);
  }
  return classes;
}

class TokenBatchRenderer : public BatchRenderer {
 public:
  explicit TokenBatchRenderer(const TokenViewer& views) : views_(views) {}

  void Render(uint32_t epoch, std::span<const uint64_t> positions, std::span<TeacherBatch> batches) const override {
    const Order order = views_.OrderOf(epoch);
    std::vector<uint32_t> tokens;
    for (uint32_t e = 0; e < batches.size(); ++e) {
      TeacherBatch& batch = batches[e];
      batch.windows.clear();
      batch.tokens.clear();
      batch.fingerprints.clear();
      batch.true_classes.clear();
      for (const uint64_t position : positions) {
        batch.windows.push_back(views_.ViewAt(order, epoch + e, position));
        views_.source().ReadTokens(batch.windows.back().sample_id, &tokens);
        batch.true_classes.push_back(TrueClasses(tokens, batch.windows.back(), views_.masked()));
        batch.fingerprints.push_back(batch.windows.back().fingerprint);
      }
      for (size_t i = 0; i < positions.size(); ++i) {
        const TokenView& view = batch.windows[i];
        batch.tokens.push_back({epoch + e, view.sample_id, view.inputs, view.positions, batch.true_classes[i]});
      }
    }
  }

 private:
  const TokenViewer& views_;
};

}  // namespace

std::vector<SelectedView> LabelledViews(const TeacherBatch& batch) {
  std::vector<SelectedView> views = batch.views;
  for (const TokenWindow& window : batch.tokens) {
    for (size_t i = 0; i < window.positions.size(); ++i) {
      views.push_back({window.epoch, window.sample_id, window.true_classes[i], window.positions[i]});
    }
  }
  return views;
}

std::unique_ptr<BatchRenderer> MakeImageBatchRenderer(const ViewRenderer& views) {
  return std::make_unique<ImageBatchRenderer>(views);
}

std::unique_ptr<BatchRenderer> MakeTokenBatchRenderer(const TokenViewer& views) {
  return std::make_unique<TokenBatchRenderer>(views);
}

}  // namespace decant
