#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace decant {

// Every value of a store is a record: a 12-byte header, a payload, an 8-byte checksum.
//   magic u32 | version u16 | flags u16 (0) | payload length u32 | payload | XXH3-64 u64 of all bytes before it
// Specified in docs/format.md. Magic numbers reach the disk: never re-use one.
enum class RecordMagic : uint32_t {
  kSchema = 0x48435344,           // "DSCH"
  kProvenance = 0x56525044,       // "DPRV"
  kChunk = 0x4b484344,            // "DCHK"
  kTrailer = 0x4c525444,          // "DTRL"
  kSeal = 0x4c455344,             // "DSEL"
  kExpiry = 0x50584544,           // "DEXP"
  kAcknowledgement = 0x4b434144,  // "DACK"
  kTables = 0x4c425444,           // "DTBL"
  kSampleKeys = 0x59454b44,       // "DKEY"
};

// The version that this build writes, and the oldest that it reads.
inline constexpr uint16_t kFormatVersion = 1;
inline constexpr uint16_t kOldestReadableFormatVersion = 1;

inline constexpr size_t kRecordHeaderBytes = 12;
inline constexpr size_t kRecordOverheadBytes = kRecordHeaderBytes + 8;

std::string WrapRecord(RecordMagic magic, std::string_view payload);

// The payload of a record, a view into `bytes`. Checks length, magic, version, flags and checksum, in this order; each
// failure is kDataLoss with `what` (a place: "chunk 3 of epoch 1"), expected and found.
std::string_view UnwrapRecord(RecordMagic magic, std::string_view bytes, std::string_view what);
// The same without the checksum, which takes reading all of it.
std::string_view RecordPayload(RecordMagic magic, std::string_view bytes, std::string_view what);

}  // namespace decant
