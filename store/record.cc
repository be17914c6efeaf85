#include "decant/store/record.h"

#include <limits>

#include "decant/base/bytes.h"
#include "decant/base/hash.h"

namespace decant {

std::string WrapRecord(RecordMagic magic, std::string_view payload) {
  if (payload.size() > std::numeric_limits<uint32_t>::max()) {
    Fail(ErrorCode::kInvalidArgument, "a record of {} bytes is larger than 4 GiB; lower labels.chunk_size",
         payload.size());
  }
  ByteWriter writer;
  writer.Put(static_cast<uint32_t>(magic));
  writer.Put(kFormatVersion);
  writer.Put(uint16_t{0});
  writer.Put(static_cast<uint32_t>(payload.size()));
  writer.PutBytes(payload);
  writer.Put(Xxh3(writer.bytes()));
  return writer.Take();
}

std::string_view RecordPayload(RecordMagic magic, std::string_view bytes, std::string_view what) {
  if (bytes.size() < kRecordOverheadBytes) {
    Fail(ErrorCode::kDataLoss, "{}: a record of {} bytes, where header and checksum alone take {}", what, bytes.size(),
         kRecordOverheadBytes);
  }
  ByteReader reader(bytes, what);
  const auto found_magic = reader.Get<uint32_t>();
  if (found_magic != static_cast<uint32_t>(magic)) {
    Fail(ErrorCode::kDataLoss, "{}: magic number: expected {:#010x}, found {:#010x}", what,
         static_cast<uint32_t>(magic), found_magic);
  }
  const auto version = reader.Get<uint16_t>();
  if (version < kOldestReadableFormatVersion || version > kFormatVersion) {
    Fail(ErrorCode::kDataLoss, "{}: format version {}: this build reads {} to {}", what, version,
         kOldestReadableFormatVersion, kFormatVersion);
  }
  const auto flags = reader.Get<uint16_t>();
  if (flags != 0) Fail(ErrorCode::kDataLoss, "{}: unknown flags {:#06x}", what, flags);
  const auto length = reader.Get<uint32_t>();
  if (length != bytes.size() - kRecordOverheadBytes) {
    Fail(ErrorCode::kDataLoss, "{}: payload length: expected {} bytes, found {}", what, length,
         bytes.size() - kRecordOverheadBytes);
  }
  return reader.GetBytes(length);
}

std::string_view UnwrapRecord(RecordMagic magic, std::string_view bytes, std::string_view what) {
  const std::string_view payload = RecordPayload(magic, bytes, what);
  const uint64_t found = Xxh3(bytes.substr(0, kRecordHeaderBytes + payload.size()));
  ByteReader reader(bytes.substr(kRecordHeaderBytes + payload.size()), what);
  const auto expected = reader.Get<uint64_t>();
  if (found != expected) {
    Fail(ErrorCode::kDataLoss, "{}: checksum: expected {:016x}, found {:016x}", what, expected, found);
  }
  return payload;
}

}  // namespace decant
