#include "expiry.h"

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/store/record.h"

namespace decant {
namespace {

Span SpanOfEpoch(const Layout& layout, uint32_t epoch, uint64_t i) {
  return layout.SpanAt(epoch * layout.spans_per_epoch() + i);
}

}  // namespace

std::string ExpiryKey(uint32_t epoch) {
  return fmt::format("expired-{:010}", epoch);
}

std::string EncodeExpiry(uint32_t epoch, const std::vector<SpanTrailer>& trailers) {
  ByteWriter writer;
  writer.Put(epoch);
  for (const SpanTrailer& trailer : trailers) writer.PutBytes(EncodeTrailer(trailer));
  return WrapRecord(RecordMagic::kExpiry, writer.bytes());
}

std::vector<SpanTrailer> DecodeExpiry(const Layout& layout, uint32_t epoch, std::string_view record) {
  const std::string what = fmt::format("expiry of epoch {}", epoch);
  ByteReader reader(UnwrapRecord(RecordMagic::kExpiry, record, what), what);
  const auto found = reader.Get<uint32_t>();
  if (found != epoch) Fail(ErrorCode::kDataLoss, "{}: epoch: expected {}, found {}", what, epoch, found);
  const size_t trailer_bytes = EncodeTrailer({}).size();
  std::vector<SpanTrailer> trailers;
  for (uint64_t i = 0; i < layout.spans_per_epoch(); ++i) {
    const Span span = SpanOfEpoch(layout, epoch, i);
    trailers.push_back(DecodeTrailer(span, reader.GetBytes(trailer_bytes)));
  }
  if (reader.remaining() != 0) Fail(ErrorCode::kDataLoss, "{}: {} bytes too many", what, reader.remaining());
  return trailers;
}

std::optional<std::vector<SpanTrailer>> ReadExpiry(const Database& database, const Layout& layout, uint32_t epoch,
                                                   const std::string& path) {
  std::string record;
  if (!GetValue(database.db.get(), database.meta, ExpiryKey(epoch), &record, path)) return std::nullopt;
  return DecodeExpiry(layout, epoch, record);
}

ExpiredEpochs ReadExpiredEpochs(const Database& database, const Layout& layout, const std::string& path) {
  ExpiredEpochs expired;
  for (uint32_t epoch = 0; epoch < layout.num_epochs; ++epoch) {
    if (auto trailers = ReadExpiry(database, layout, epoch, path)) expired.emplace(epoch, std::move(*trailers));
  }
  return expired;
}

}  // namespace decant
