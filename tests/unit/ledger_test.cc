#include "decant/store/ledger.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "decant/store/record.h"

#include "unit/errors.h"

namespace decant {
namespace {

constexpr Span kSpan = {.index = 5, .epoch = 1, .chunk_begin = 8, .chunk_end = 12};

SpanTrailer SomeTrailer() {
  SpanTrailer trailer = {
      .span = 5, .num_labels = 1000, .num_entries = 30000, .chunk_bytes = 71234, .kl_sum = 0.125, .kl_max = 0.001};
  for (size_t i = 0; i < 16; ++i) trailer.content_digest[i] = static_cast<unsigned char>(240 + i);
  return trailer;
}

TEST(TrailerTest, ComesBack) {
  const SpanTrailer trailer = SomeTrailer();
  const SpanTrailer decoded = DecodeTrailer(kSpan, EncodeTrailer(trailer));
  EXPECT_EQ(decoded.span, trailer.span);
  EXPECT_EQ(decoded.num_labels, trailer.num_labels);
  EXPECT_EQ(decoded.num_entries, trailer.num_entries);
  EXPECT_EQ(decoded.chunk_bytes, trailer.chunk_bytes);
  EXPECT_EQ(decoded.kl_sum, trailer.kl_sum);
  EXPECT_EQ(decoded.kl_max, trailer.kl_max);
  EXPECT_EQ(decoded.content_digest, trailer.content_digest);
}

TEST(TrailerTest, HasPinnedBytes) {
  const std::string record = EncodeTrailer(SomeTrailer());
  ASSERT_EQ(record.size(), kRecordOverheadBytes + 64);
  EXPECT_EQ(Hex(record.substr(kRecordHeaderBytes, 64)),
            "0500000000000000"
            "e803000000000000"
            "3075000000000000"
            "4216010000000000"
            "000000000000c03f"
            "fca9f1d24d62503f"
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
}

TEST(TrailerTest, RejectsTruncationAndBitFlips) {
  const std::string sound = EncodeTrailer(SomeTrailer());
  for (size_t size = 0; size < sound.size(); ++size) {
    EXPECT_THAT([&] { DecodeTrailer(kSpan, sound.substr(0, size)); },
                FailsWith(ErrorCode::kDataLoss, "trailer of span 5"));
  }
  for (size_t bit = 0; bit < 8 * sound.size(); ++bit) {
    std::string record = sound;
    record[bit / 8] = static_cast<char>(record[bit / 8] ^ 1 << bit % 8);
    EXPECT_THAT([&] { DecodeTrailer(kSpan, record); }, FailsWith(ErrorCode::kDataLoss, "trailer of span 5"));
  }
}

TEST(TrailerTest, RejectsAnotherSpansTrailer) {
  Span other = kSpan;
  other.index = 6;
  EXPECT_THAT([&] { DecodeTrailer(other, EncodeTrailer(SomeTrailer())); },
              FailsWith(ErrorCode::kDataLoss, "expected span 6, found span 5"));
}

TEST(TrailerTest, RejectsPayloadsOfAnotherLength) {
  const std::string record = EncodeTrailer(SomeTrailer());
  const std::string payload = record.substr(kRecordHeaderBytes, 64);
  EXPECT_THAT([&] { DecodeTrailer(kSpan, WrapRecord(RecordMagic::kTrailer, payload + "x")); },
              FailsWith(ErrorCode::kDataLoss, "trailer of span 5: 1 bytes too many"));
  EXPECT_THAT([&] { DecodeTrailer(kSpan, WrapRecord(RecordMagic::kTrailer, payload.substr(0, 63))); },
              FailsWith(ErrorCode::kDataLoss, "trailer of span 5: truncated"));
  EXPECT_THAT([&] { DecodeTrailer(kSpan, WrapRecord(RecordMagic::kChunk, payload)); },
              FailsWith(ErrorCode::kDataLoss, "trailer of span 5: magic number"));
}

TEST(LabelKeyTest, SortsAsEpochThenChunkThenTrailer) {
  std::vector<std::string> keys;
  for (const uint32_t epoch : {0u, 1u, 255u, 256u, 0xffffffffu}) {
    for (const uint64_t chunk :
         {uint64_t{0}, uint64_t{1}, uint64_t{255}, uint64_t{256}, uint64_t{1} << 40, ~uint64_t{0} - 1}) {
      keys.push_back(ChunkKey(epoch, chunk));
      keys.push_back(TrailerKey({.epoch = epoch, .chunk_begin = 0, .chunk_end = chunk + 1}));
    }
  }
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end()) << "no two are equal";
}

TEST(LabelKeyTest, TrailerFollowsItsLastChunkDirectly) {
  EXPECT_EQ(Hex(ChunkKey(1, 11)),
            "00000001"
            "000000000000000b"
            "00");
  EXPECT_EQ(Hex(TrailerKey(kSpan)),
            "00000001"
            "000000000000000b"
            "01");
}

TEST(LabelKeyTest, ParsesBothKinds) {
  for (const std::string& key :
       {ChunkKey(0x01020304, 0x05060708090a0b0c),
        TrailerKey({.epoch = 0x01020304, .chunk_begin = 0, .chunk_end = 0x05060708090a0b0d})}) {
    uint32_t epoch = 0;
    uint64_t chunk = 0;
    ASSERT_TRUE(ParseLabelKey(key, &epoch, &chunk));
    EXPECT_EQ(epoch, 0x01020304u);
    EXPECT_EQ(chunk, 0x05060708090a0b0cu);
  }
}

TEST(LabelKeyTest, RefusesOtherKeys) {
  uint32_t epoch = 0;
  uint64_t chunk = 0;
  const std::string key = ChunkKey(1, 2);
  EXPECT_FALSE(ParseLabelKey("", &epoch, &chunk));
  EXPECT_FALSE(ParseLabelKey(key.substr(1), &epoch, &chunk));
  EXPECT_FALSE(ParseLabelKey(key + "x", &epoch, &chunk));
  for (const char kind : {2, 127, -1}) {
    EXPECT_FALSE(ParseLabelKey(key.substr(0, 12) + kind, &epoch, &chunk));
  }
}

}  // namespace
}  // namespace decant
