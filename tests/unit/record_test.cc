#include "decant/store/record.h"

#include <gtest/gtest.h>

#include "decant/base/bytes.h"
#include "decant/base/hash.h"

#include "unit/errors.h"

namespace decant {
namespace {

constexpr RecordMagic kMagic = RecordMagic::kChunk;

std::string_view Unwrap(std::string_view bytes) {
  return UnwrapRecord(kMagic, bytes, "here");
}

// A record with any header whose checksum is right.
std::string Record(uint32_t magic, uint16_t version, uint16_t flags, uint32_t length, std::string_view payload) {
  ByteWriter writer;
  writer.Put(magic);
  writer.Put(version);
  writer.Put(flags);
  writer.Put(length);
  writer.PutBytes(payload);
  writer.Put(Xxh3(writer.bytes()));
  return writer.Take();
}
constexpr auto kMagicNumber = static_cast<uint32_t>(kMagic);

TEST(RecordTest, PayloadComesBack) {
  for (const std::string& payload : {std::string(), std::string("x"), std::string(100000, 'y')}) {
    const std::string record = WrapRecord(kMagic, payload);
    EXPECT_EQ(record.size(), payload.size() + kRecordOverheadBytes);
    EXPECT_EQ(Unwrap(record), payload);
  }
}

TEST(RecordTest, HasPinnedBytes) {
  EXPECT_EQ(WrapRecord(kMagic, "ab"), Record(0x4b484344, 1, 0, 2, "ab"));
  EXPECT_EQ(WrapRecord(RecordMagic::kSchema, "").substr(0, 4), "DSCH");
  EXPECT_EQ(WrapRecord(RecordMagic::kProvenance, "").substr(0, 4), "DPRV");
  EXPECT_EQ(WrapRecord(RecordMagic::kChunk, "").substr(0, 4), "DCHK");
  EXPECT_EQ(WrapRecord(RecordMagic::kTrailer, "").substr(0, 4), "DTRL");
  EXPECT_EQ(WrapRecord(RecordMagic::kSeal, "").substr(0, 4), "DSEL");
}

TEST(RecordTest, RejectsFewerBytesThanTheOverhead) {
  const std::string record = WrapRecord(kMagic, "");
  for (size_t size = 0; size < kRecordOverheadBytes; ++size) {
    EXPECT_THAT([&] { Unwrap(record.substr(0, size)); },
                FailsWith(ErrorCode::kDataLoss, fmt::format("here: a record of {} bytes, where header", size)));
  }
}

TEST(RecordTest, RejectsAnotherMagic) {
  EXPECT_THAT([] { Unwrap(WrapRecord(RecordMagic::kSeal, "ab")); },
              FailsWith(ErrorCode::kDataLoss, "here: magic number: expected 0x4b484344, found 0x4c455344"));
}

TEST(RecordTest, RejectsVersionsItDoesNotRead) {
  for (const uint16_t version : {0, 2, 65535}) {
    EXPECT_THAT(
        [&] { Unwrap(Record(kMagicNumber, version, 0, 2, "ab")); },
        FailsWith(ErrorCode::kDataLoss, fmt::format("here: format version {}: this build reads 1 to 1", version)));
  }
}

TEST(RecordTest, RejectsUnknownFlags) {
  EXPECT_THAT([] { Unwrap(Record(kMagicNumber, 1, 0x8000, 2, "ab")); },
              FailsWith(ErrorCode::kDataLoss, "here: unknown flags 0x8000"));
}

TEST(RecordTest, RejectsAnotherLength) {
  for (const uint32_t length : {0u, 1u, 3u, 0xffffffffu}) {
    EXPECT_THAT([&] { Unwrap(Record(kMagicNumber, 1, 0, length, "ab")); },
                FailsWith(ErrorCode::kDataLoss, "here: payload length"));
  }
  EXPECT_THAT([] { Unwrap(WrapRecord(kMagic, "ab") + "c"); }, FailsWith(ErrorCode::kDataLoss, "here: payload length"));
}

TEST(RecordTest, RejectsAWrongChecksum) {
  std::string record = WrapRecord(kMagic, "ab");
  record.back() = static_cast<char>(~record.back());
  EXPECT_THAT([&] { Unwrap(record); }, FailsWith(ErrorCode::kDataLoss, "here: checksum: expected"));
}

// The first thing wrong is the one that is named: length, magic, version, flags, checksum.
TEST(RecordTest, ChecksInOrder) {
  EXPECT_THAT([] { Unwrap(Record(1, 9, 9, 9, "ab")); }, FailsWith(ErrorCode::kDataLoss, "magic number"));
  EXPECT_THAT([] { Unwrap(Record(kMagicNumber, 9, 9, 9, "ab")); }, FailsWith(ErrorCode::kDataLoss, "format version"));
  EXPECT_THAT([] { Unwrap(Record(kMagicNumber, 1, 9, 9, "ab")); }, FailsWith(ErrorCode::kDataLoss, "flags"));
}

TEST(RecordTest, RejectsEverySingleBitFlip) {
  const std::string sound = WrapRecord(kMagic, "some payload");
  for (size_t bit = 0; bit < 8 * sound.size(); ++bit) {
    std::string record = sound;
    record[bit / 8] = static_cast<char>(record[bit / 8] ^ 1 << bit % 8);
    EXPECT_THAT([&] { Unwrap(record); }, FailsWith(ErrorCode::kDataLoss, "here: ")) << bit;
  }
}

}  // namespace
}  // namespace decant
