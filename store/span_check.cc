#include "span_check.h"

#include "decant/base/error.h"

namespace decant {

void CheckSpanContent(const Layout& layout, const ChunkCodec& codec, const SpanTrailer& trailer, const GetRecord& get) {
  const Span span = layout.SpanAt(trailer.span);
  Xxh3Stream content;
  uint64_t num_labels = 0;
  uint64_t num_entries = 0;
  uint64_t chunk_bytes = 0;
  std::string record;
  LabelBatch labels;
  for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
    const ChunkPlace place = {span.epoch, chunk, layout.ChunkSamples(chunk)};
    if (!get(ChunkKey(span.epoch, chunk), &record)) {
      Fail(ErrorCode::kDataLoss, "chunk {} of epoch {} is missing", chunk, span.epoch);
    }
    const LabelCodes codes = codec.Decode(place, record);
    for (size_t t = 0; t < codec.params().temperatures.size(); ++t) {
      labels.Clear();
      codec.Dequantise(codes, 0, codes.size(), &labels, t);
    }
    UpdateContentDigest(place, codes, &content);
    num_labels += codes.size();
    num_entries += codes.ids.size();
    chunk_bytes += record.size();
  }
  if (chunk_bytes != trailer.chunk_bytes) {
    Fail(ErrorCode::kDataLoss, "chunks: expected {} bytes, found {}", trailer.chunk_bytes, chunk_bytes);
  }
  if (num_labels != trailer.num_labels) {
    Fail(ErrorCode::kDataLoss, "trailer: expected {} labels, found {}", num_labels, trailer.num_labels);
  }
  if (num_entries != trailer.num_entries || content.Digest() != trailer.content_digest) {
    Fail(ErrorCode::kDataLoss, "content: expected {} entries with digest {}, found {} with {}", trailer.num_entries,
         Hex(trailer.content_digest), num_entries, Hex(content.Digest()));
  }
}

}  // namespace decant
