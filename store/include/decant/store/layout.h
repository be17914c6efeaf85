#pragma once

#include <cstdint>

namespace decant {

// A span: the chunks [chunk_begin, chunk_end) of one epoch, the unit of work and of commit.
struct Span {
  uint64_t index = 0;  // in [0, Layout::num_spans())
  uint32_t epoch = 0;
  uint64_t chunk_begin = 0;
  uint64_t chunk_end = 0;

  bool operator==(const Span&) const = default;
};

// How the samples of a store are cut into chunks and spans. Fixed before the first span; pure arithmetic.
struct Layout {
  uint64_t num_samples = 0;  // positions in an epoch
  uint32_t num_epochs = 0;
  uint32_t chunk_size = 0;   // samples in a chunk; the last one of an epoch may be short
  uint32_t span_chunks = 0;  // chunks in a span; the last one of an epoch may be short

  bool operator==(const Layout&) const = default;

  // kInvalidArgument when a field is 0, chunk_size is above 2^20, or there would be more than 2^48 labels or 2^20
  // spans.
  void Validate() const;

  uint64_t num_labels() const { return num_samples * num_epochs; }
  uint64_t chunks_per_epoch() const { return (num_samples + chunk_size - 1) / chunk_size; }
  uint64_t spans_per_epoch() const { return (chunks_per_epoch() + span_chunks - 1) / span_chunks; }
  uint64_t num_spans() const { return spans_per_epoch() * num_epochs; }

  // Positions of a chunk: [chunk * chunk_size, + ChunkSamples(chunk)).
  uint32_t ChunkSamples(uint64_t chunk) const;
  // kInvalidArgument when out of range.
  Span SpanAt(uint64_t index) const;
  // The span that holds `chunk` of `epoch`.
  Span SpanOf(uint32_t epoch, uint64_t chunk) const;
};

}  // namespace decant
