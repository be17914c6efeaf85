#include "epoch_plan.h"

#include <algorithm>

namespace decant {

EpochPlan::EpochPlan(const Layout& layout, const StreamOptions& options, uint64_t position,
                     std::optional<Order> chunk_order)
    : layout_(layout),
      options_(options),
      origin_(position % options.batch_size),
      chunk_order_(std::move(chunk_order)) {}

std::optional<PositionRange> EpochPlan::BatchAt(uint64_t begin) const {
  const uint64_t num_samples = layout_.num_samples;
  const PositionRange full = {begin, begin + options_.batch_size};
  if (begin >= num_samples) return std::nullopt;
  if (full.end <= num_samples || options_.last_batch == LastBatch::kPad) return full;
  if (options_.last_batch == LastBatch::kDrop) return std::nullopt;
  return PositionRange{begin, num_samples};
}

PositionRange EpochPlan::PartOf(const PositionRange& batch) const {
  const auto at = [&](uint64_t rank) { return batch.begin + batch.size() * rank / options_.world_size; };
  return {at(options_.rank), at(options_.rank + 1)};
}

std::optional<uint64_t> EpochPlan::NextOwn(uint64_t position) const {
  for (uint64_t begin = BatchBegin(position);; begin += options_.batch_size) {
    const std::optional<PositionRange> batch = BatchAt(begin);
    if (!batch) return std::nullopt;
    const PositionRange part = PartOf(*batch);
    if (part.size() > 0 && position < part.end) return std::max(position, part.begin);
  }
}

PositionRange EpochPlan::PieceAt(uint64_t position) const {
  const PositionRange part = PartOf(*BatchAt(BatchBegin(position)));
  return {position, std::min(part.end, ChunkEnd(position))};
}

uint64_t EpochPlan::ChunkEnd(uint64_t position) const {
  const uint64_t in_epoch = position % layout_.num_samples;
  const uint64_t end =
      std::min<uint64_t>((in_epoch / layout_.chunk_size + 1) * layout_.chunk_size, layout_.num_samples);
  return position + (end - in_epoch);
}

uint64_t EpochPlan::StorePosition(uint64_t position) const {
  const uint64_t in_epoch = position % layout_.num_samples;
  if (!chunk_order_) return in_epoch;
  const uint64_t slot = in_epoch / layout_.chunk_size;
  if (slot >= chunk_order_->num_samples()) return in_epoch;  // the short last chunk stays the last
  return chunk_order_->SampleAt(slot) * layout_.chunk_size + in_epoch % layout_.chunk_size;
}

}  // namespace decant
