#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "decant/base/hash.h"
#include "decant/store/layout.h"

namespace decant {

// The ledger entry of a committed span: the value of the last key of its file.
struct SpanTrailer {
  uint64_t span = 0;  // Span::index
  uint64_t num_labels = 0;
  uint64_t num_entries = 0;    // listed classes, over all labels
  uint64_t chunk_bytes = 0;    // bytes of the span's chunk records
  double kl_sum = 0;           // nats: KL(teacher || stored) added over the labels, measured while encoding
  double kl_max = 0;           // nats: the largest of them
  Digest128 content_digest{};  // XXH3-128 over the decoded content (UpdateContentDigest), chunk by chunk
};

std::string EncodeTrailer(const SpanTrailer& trailer);
// kDataLoss for damage, and when the trailer is not that of `span`.
SpanTrailer DecodeTrailer(const Span& span, std::string_view record);

// Keys of the column family `labels`: epoch u32 | chunk u64 | kind u8, big-endian. The trailer of a span follows its
// last chunk.
std::string ChunkKey(uint32_t epoch, uint64_t chunk);
std::string TrailerKey(const Span& span);
// The epoch and chunk of either key; false when `key` is neither.
bool ParseLabelKey(std::string_view key, uint32_t* epoch, uint64_t* chunk);

}  // namespace decant
