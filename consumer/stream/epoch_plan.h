#pragma once

#include <cstdint>
#include <optional>

#include "decant/consumer/stream.h"
#include "decant/data/order.h"

namespace decant {

struct PositionRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
};

// How a rank walks through one training epoch: which positions make its part of each global batch, and where they lie
// in the epoch of the store. Positions from num_samples on, of a padded batch, are those from 0 on again. Pure
// arithmetic.
class EpochPlan {
 public:
  // Batches begin at `position`, a multiple of the batch size unless the stream was restored with another one.
  // `chunk_order`: of the full chunks, which then come in that order; nullopt: as they lie.
  EpochPlan(const Layout& layout, const StreamOptions& options, uint64_t position, std::optional<Order> chunk_order);

  // The global batch that begins at `begin`; nullopt when the epoch has none there.
  std::optional<PositionRange> BatchAt(uint64_t begin) const;
  // The rank's part of a global batch.
  PositionRange PartOf(const PositionRange& batch) const;
  // The first of the rank's positions that is not below `position`; nullopt after the last.
  std::optional<uint64_t> NextOwn(uint64_t position) const;
  // The rank's positions from `position`, one of them, to the end of their batch or chunk.
  PositionRange PieceAt(uint64_t position) const;
  // The end of the chunk in which `position` lies.
  uint64_t ChunkEnd(uint64_t position) const;
  // In the store's epoch.
  uint64_t StorePosition(uint64_t position) const;

 private:
  uint64_t BatchBegin(uint64_t position) const {
    return origin_ + (position - origin_) / options_.batch_size * options_.batch_size;
  }

  Layout layout_;
  StreamOptions options_;
  uint64_t origin_;
  std::optional<Order> chunk_order_;
};

}  // namespace decant
