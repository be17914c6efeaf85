#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "decant/data/view_renderer.h"
#include "decant/producer/select.h"

namespace decant {

// Views as a teacher is shown them.
struct TeacherBatch {
  std::vector<SelectedView> views;     // [n]
  std::vector<uint8_t> images;         // [n, H, W, C]
  std::vector<uint16_t> fingerprints;  // [n] of the views

  size_t size() const { return views.size(); }
};

// Makes batches of views. Immutable; thread-safe.
class BatchRenderer {
 public:
  virtual ~BatchRenderer() = default;
  // Makes batches[e], in re-used memory, the views at `positions` in epoch `epoch + e`: epochs that share an order.
  // Each sample is decoded once for all of them, and once for itself and as its neighbour's partner. kDataLoss, naming
  // the sample, when it cannot be decoded.
  virtual void Render(uint32_t epoch, std::span<const uint64_t> positions, std::span<TeacherBatch> batches) const = 0;
};

// `views` must outlive the renderer.
std::unique_ptr<BatchRenderer> MakeImageBatchRenderer(const ViewRenderer& views);

}  // namespace decant
