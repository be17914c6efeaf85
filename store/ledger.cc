#include "decant/store/ledger.h"

#include "decant/base/bytes.h"
#include "decant/store/record.h"

namespace decant {
namespace {

constexpr char kChunkKind = 0;
constexpr char kTrailerKind = 1;
constexpr size_t kLabelKeyBytes = 13;

std::string LabelKey(uint32_t epoch, uint64_t chunk, char kind) {
  std::string key;
  AppendBigEndian(&key, epoch);
  AppendBigEndian(&key, chunk);
  key.push_back(kind);
  return key;
}

}  // namespace

std::string EncodeTrailer(const SpanTrailer& trailer) {
  ByteWriter writer;
  writer.Put(trailer.span);
  writer.Put(trailer.num_labels);
  writer.Put(trailer.num_entries);
  writer.Put(trailer.chunk_bytes);
  writer.PutDouble(trailer.kl_sum);
  writer.PutDouble(trailer.kl_max);
  for (const unsigned char byte : trailer.content_digest) writer.Put(byte);
  return WrapRecord(RecordMagic::kTrailer, writer.bytes());
}

SpanTrailer DecodeTrailer(const Span& span, std::string_view record) {
  const std::string what = fmt::format("trailer of span {}", span.index);
  ByteReader reader(UnwrapRecord(RecordMagic::kTrailer, record, what), what);
  SpanTrailer trailer;
  trailer.span = reader.Get<uint64_t>();
  trailer.num_labels = reader.Get<uint64_t>();
  trailer.num_entries = reader.Get<uint64_t>();
  trailer.chunk_bytes = reader.Get<uint64_t>();
  trailer.kl_sum = reader.GetDouble();
  trailer.kl_max = reader.GetDouble();
  for (unsigned char& byte : trailer.content_digest) byte = reader.Get<unsigned char>();
  if (reader.remaining() != 0) Fail(ErrorCode::kDataLoss, "{}: {} bytes too many", what, reader.remaining());
  if (trailer.span != span.index) {
    Fail(ErrorCode::kDataLoss, "{}: expected span {}, found span {}", what, span.index, trailer.span);
  }
  return trailer;
}

std::string ChunkKey(uint32_t epoch, uint64_t chunk) {
  return LabelKey(epoch, chunk, kChunkKind);
}

std::string TrailerKey(const Span& span) {
  return LabelKey(span.epoch, span.chunk_end - 1, kTrailerKind);
}

bool ParseLabelKey(std::string_view key, uint32_t* epoch, uint64_t* chunk) {
  if (key.size() != kLabelKeyBytes || key.back() < kChunkKind || key.back() > kTrailerKind) return false;
  *epoch = 0;
  *chunk = 0;
  for (size_t i = 0; i < 4; ++i) *epoch = *epoch << 8 | static_cast<unsigned char>(key[i]);
  for (size_t i = 4; i < 12; ++i) *chunk = *chunk << 8 | static_cast<unsigned char>(key[i]);
  return true;
}

}  // namespace decant
