#include "decant/store/layout.h"

#include <algorithm>

#include "decant/base/error.h"

namespace decant {

void Layout::Validate() const {
  if (num_samples == 0 || num_epochs == 0 || chunk_size == 0 || span_chunks == 0) {
    Fail(ErrorCode::kInvalidArgument,
         "layout: num_samples {}, num_epochs {}, chunk_size {} and span_chunks {} must all be at least 1", num_samples,
         num_epochs, chunk_size, span_chunks);
  }
  constexpr uint64_t kMaxLabels = uint64_t{1} << 48;
  if (num_samples > kMaxLabels / num_epochs) {
    Fail(ErrorCode::kInvalidArgument, "layout: {} samples x {} epochs are more than 2^48 labels", num_samples,
         num_epochs);
  }
  constexpr uint32_t kMaxChunkSize = 1 << 20;
  if (chunk_size > kMaxChunkSize) {
    Fail(ErrorCode::kInvalidArgument, "layout: chunk_size {} is more than {}", chunk_size, kMaxChunkSize);
  }
  constexpr uint64_t kMaxSpans = 1 << 20;
  if (spans_per_epoch() > kMaxSpans / num_epochs) {
    Fail(ErrorCode::kInvalidArgument,
         "layout: {} spans an epoch in {} epochs are more than {} spans; raise labels.chunk_size or labels.span_chunks",
         spans_per_epoch(), num_epochs, kMaxSpans);
  }
}

uint32_t Layout::ChunkSamples(uint64_t chunk) const {
  const uint64_t begin = chunk * chunk_size;
  return static_cast<uint32_t>(std::min<uint64_t>(chunk_size, num_samples - begin));
}

Span Layout::SpanAt(uint64_t index) const {
  if (index >= num_spans()) {
    Fail(ErrorCode::kInvalidArgument, "span {} is not below the number of spans, {}", index, num_spans());
  }
  const uint64_t chunk_begin = index % spans_per_epoch() * span_chunks;
  return {.index = index,
          .epoch = static_cast<uint32_t>(index / spans_per_epoch()),
          .chunk_begin = chunk_begin,
          .chunk_end = std::min(chunk_begin + span_chunks, chunks_per_epoch())};
}

Span Layout::SpanOf(uint32_t epoch, uint64_t chunk) const {
  return SpanAt(epoch * spans_per_epoch() + chunk / span_chunks);
}

}  // namespace decant
