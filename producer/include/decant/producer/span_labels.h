#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "decant/store/soft_label.h"

namespace decant {

// What rows of logits come with, as the store's schema asks for it.
struct RowColumns {
  std::span<const uint32_t> true_classes;       // [rows] of the samples, or of the tokens
  std::span<const uint16_t> view_fingerprints;  // [samples]
  // Of a store of windows: how many rows each has, the hash of its tokens, and which of its tokens the rows are of, the
  // first ones by default.
  std::span<const uint32_t> window_sizes;     // [samples]
  std::span<const uint64_t> window_hashes;    // [samples]
  std::span<const uint32_t> token_positions;  // [rows]
};

// The labels of one span that LabelWriter or GuestLabeller began, in the order of its positions, in batches of any
// size. What is not committed is gone with the object. A refused batch leaves everything as it was.
class SpanLabels {
 public:
  ~SpanLabels();
  SpanLabels(SpanLabels&&) noexcept;
  SpanLabels& operator=(SpanLabels&&) noexcept;

  uint32_t epoch() const;
  // The positions in the epoch's order, and their samples: [num_samples()].
  const std::vector<uint64_t>& positions() const;
  const std::vector<uint64_t>& sample_ids() const;
  // Samples that the span has, and of those the number that is there.
  uint64_t num_samples() const { return positions().size(); }
  uint64_t num_put() const;

  // The next samples' logits, [rows, num_classes] row by row: selects as the schema says. kInvalidArgument, naming the
  // row, for NaN or infinity, for more samples than the span has left, and for other columns than the schema's.
  void PutLogits(std::span<const float> logits, const RowColumns& columns = {});
  // The next samples' labels, with the columns of the schema; in a store of windows, whole windows. kInvalidArgument
  // as ChunkCodec::Quantise(), and for more samples than the span has left.
  void Put(const LabelBatch& labels);

  // Durable when it returns. kInvalidArgument, and nothing else happens, when samples are missing.
  void Commit();

  struct Impl;  // span_labels_impl.h
  explicit SpanLabels(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
