// What ChunkCodec::Decode says to damaged chunks, and to sound records that mean nonsense.
#include <functional>

#include <gtest/gtest.h>

#include "decant/base/bytes.h"
#include "decant/store/chunk_codec.h"
#include "decant/store/record.h"

#include "unit/errors.h"
#include "unit/random_labels.h"

namespace decant {
namespace {

constexpr CodecParams kParams = {.num_classes = 10, .k = 3, .delta = 0.25};
constexpr ChunkPlace kPlace = {.epoch = 1, .chunk = 2, .num_labels = 3};

std::string SmallRecord() {
  const ChunkCodec codec(kParams);
  return codec.Encode(kPlace, codec.Quantise(RandomLabels({.num_labels = 3, .variable_counts = true})));
}

// A chunk's payload, field by field; by default a sound one: labels {2, 7}, {9}, {0, 1, 5}.
struct Payload {
  uint32_t epoch = 1;
  uint64_t chunk = 2;
  uint32_t num_labels = 3;
  uint32_t largest_count = 3;
  uint8_t count_width = 2;
  uint8_t id_width = 4;
  uint8_t log_prob_width = 4;
  std::string counts = Bytes({0b110110});
  std::string ids = Bytes({0x72, 0x09, 0x51});
  std::string log_probs = Bytes({0x22, 0x40, 0x44});
  std::string tails = Bytes({5, 0, 0xff, 0xff, 6, 0});
  std::string rest;

  static std::string Bytes(std::initializer_list<int> values) {
    std::string bytes;
    for (const int value : values) bytes.push_back(static_cast<char>(value));
    return bytes;
  }
  std::string Record() const {
    ByteWriter writer;
    writer.Put(epoch);
    writer.Put(chunk);
    writer.Put(num_labels);
    writer.Put(largest_count);
    writer.Put(count_width);
    writer.Put(id_width);
    writer.Put(log_prob_width);
    for (const auto& column : {counts, ids, log_probs, tails, rest}) writer.PutBytes(column);
    return WrapRecord(RecordMagic::kChunk, writer.bytes());
  }
};

class ChunkDamageTest : public testing::Test {
 protected:
  // Decode refuses `record`, naming the place and `text`.
  void ExpectRecordRefused(const std::string& record, const std::string& text) {
    EXPECT_THAT([&] { codec_.Decode(kPlace, record); }, FailsWith(ErrorCode::kDataLoss, text));
    EXPECT_THAT([&] { codec_.Decode(kPlace, record); }, FailsWith(ErrorCode::kDataLoss, "chunk 2 of epoch 1"));
  }
  void ExpectRefused(const Payload& payload, const std::string& text) { ExpectRecordRefused(payload.Record(), text); }

  const ChunkCodec codec_{kParams};
};

TEST_F(ChunkDamageTest, HandMadePayloadIsSound) {
  const LabelCodes codes = codec_.Decode(kPlace, Payload().Record());
  EXPECT_EQ(codes.offsets, (std::vector<uint32_t>{0, 2, 3, 6}));
  EXPECT_EQ(codes.ids, (std::vector<uint32_t>{2, 7, 9, 0, 1, 5}));
  EXPECT_EQ(codes.log_probs, (std::vector<uint16_t>{2, 2, 0, 4, 4, 4}));
  EXPECT_EQ(codes.tail_mass, (std::vector<uint16_t>{5, kNoTail, 6}));
}

TEST_F(ChunkDamageTest, RejectsTruncationAtEveryByte) {
  const std::string record = SmallRecord();
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_THAT([&] { codec_.Decode(kPlace, record.substr(0, size)); },
                FailsWith(ErrorCode::kDataLoss, "chunk 2 of epoch 1"))
        << size << " bytes";
  }
}

TEST_F(ChunkDamageTest, RejectsEverySingleBitFlip) {
  const std::string sound = SmallRecord();
  for (size_t bit = 0; bit < 8 * sound.size(); ++bit) {
    std::string record = sound;
    record[bit / 8] = static_cast<char>(record[bit / 8] ^ 1 << bit % 8);
    EXPECT_THAT([&] { codec_.Decode(kPlace, record); }, FailsWith(ErrorCode::kDataLoss, "chunk 2 of epoch 1"))
        << "bit " << bit;
    EXPECT_THAT([&] { codec_.DecodeLabel(kPlace, record, 1); }, FailsWith(ErrorCode::kDataLoss, "chunk 2 of epoch 1"))
        << "bit " << bit;
  }
}

// Truncated payloads whose checksums are right: every column must notice its own end.
TEST_F(ChunkDamageTest, RejectsPayloadTruncatedAtEveryByte) {
  const std::string record = Payload().Record();
  const std::string payload = record.substr(kRecordHeaderBytes, record.size() - kRecordOverheadBytes);
  for (size_t size = 0; size < payload.size(); ++size) {
    ExpectRecordRefused(WrapRecord(RecordMagic::kChunk, payload.substr(0, size)), "truncated");
  }
}

TEST_F(ChunkDamageTest, RejectsRecordOfAnotherKind) {
  ExpectRecordRefused(WrapRecord(RecordMagic::kTrailer, "x"), "magic number");
}
TEST_F(ChunkDamageTest, RejectsChunkOfAnotherEpoch) {
  ExpectRefused({.epoch = 4}, "epoch: expected 1, found 4");
}
TEST_F(ChunkDamageTest, RejectsAnotherChunk) {
  ExpectRefused({.chunk = 3}, "chunk: expected 2, found 3");
}
TEST_F(ChunkDamageTest, RejectsAnotherNumberOfLabels) {
  ExpectRefused({.num_labels = 4}, "number of labels: expected 3, found 4");
}
TEST_F(ChunkDamageTest, RejectsLargestCountOfZero) {
  ExpectRefused({.largest_count = 0}, "entries of a label: expected 1 to 3, found 0");
}
TEST_F(ChunkDamageTest, RejectsLargestCountAboveK) {
  ExpectRefused({.largest_count = 4}, "entries of a label: expected 1 to 3, found 4");
}
TEST_F(ChunkDamageTest, RejectsWidthOfCountThatIsNotTheLargestCounts) {
  ExpectRefused({.count_width = 3}, "bits of a count: expected 2, found 3");
}
TEST_F(ChunkDamageTest, RejectsWidthOfIdThatIsNotTheClasses) {
  ExpectRefused({.id_width = 5}, "bits of an id: expected 4, found 5");
}
TEST_F(ChunkDamageTest, RejectsWidthOfCodeAboveSixteen) {
  ExpectRefused({.log_prob_width = 17}, "log-probabilities of 17 bits");
}
TEST_F(ChunkDamageTest, RejectsCountOfZero) {
  ExpectRefused({.counts = Payload::Bytes({0b110010})}, "label 1: expected 1 to 3 entries, found 0");
}
TEST_F(ChunkDamageTest, RejectsCountAboveTheLargest) {
  ExpectRefused({.largest_count = 2, .counts = Payload::Bytes({0b110110})},
                "label 2: expected 1 to 2 entries, found 3");
}
TEST_F(ChunkDamageTest, RejectsPaddingAfterCounts) {
  ExpectRefused({.counts = Payload::Bytes({0b01110110})}, "padding bits that are not zero");
}
TEST_F(ChunkDamageTest, RejectsPaddingAfterIds) {
  // Counts 2, 1, 2: five ids of four bits leave half a byte.
  ExpectRefused({.counts = Payload::Bytes({0b100110}), .ids = Payload::Bytes({0x72, 0x09, 0x51})},
                "padding bits that are not zero");
}
TEST_F(ChunkDamageTest, RejectsPaddingAfterCodes) {
  ExpectRefused({.counts = Payload::Bytes({0b100110}),
                 .ids = Payload::Bytes({0x72, 0x09, 0x01}),
                 .log_probs = Payload::Bytes({0x22, 0x40, 0x84})},
                "padding bits that are not zero");
}
TEST_F(ChunkDamageTest, RejectsIdNotBelowNumClasses) {
  ExpectRefused({.ids = Payload::Bytes({0x72, 0x0a, 0x51})}, "label 1: class id 10 is not below 10");
}
TEST_F(ChunkDamageTest, RejectsEqualIds) {
  ExpectRefused({.ids = Payload::Bytes({0x22, 0x09, 0x51})}, "label 0: class id 2 after 2");
}
TEST_F(ChunkDamageTest, RejectsDescendingIds) {
  ExpectRefused({.ids = Payload::Bytes({0x72, 0x59, 0x51})}, "label 2: class id 1 after 5");
}
TEST_F(ChunkDamageTest, RejectsCodeAboveTheLargest) {
  ExpectRefused({.log_prob_width = 16, .log_probs = Payload::Bytes({0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0})},
                "label 1: log-probability code 65535 is above 65534");
}
TEST_F(ChunkDamageTest, RejectsBytesAfterTheLastColumn) {
  ExpectRefused({.rest = "ab"}, "2 bytes too many");
}

TEST_F(ChunkDamageTest, LabelsOfOneLengthNeedNoCounts) {
  const Payload payload = {
      .largest_count = 2, .count_width = 0, .counts = "", .ids = Payload::Bytes({0x72, 0x93, 0x51})};
  EXPECT_EQ(codec_.Decode(kPlace, payload.Record()).offsets, (std::vector<uint32_t>{0, 2, 4, 6}));
}

TEST_F(ChunkDamageTest, DecodeLabelRejectsWhatItsLabelHolds) {
  const std::string record = Payload{.ids = Payload::Bytes({0x72, 0x0a, 0x51})}.Record();
  EXPECT_THAT([&] { codec_.DecodeLabel(kPlace, record, 1); },
              FailsWith(ErrorCode::kDataLoss, "label 1: class id 10 is not below 10"));
  EXPECT_EQ(codec_.DecodeLabel(kPlace, record, 2).ids, (std::vector<uint32_t>{0, 1, 5}));
}

TEST_F(ChunkDamageTest, RejectsLabelWhoseProbabilitiesAllVanish) {
  const ChunkCodec codec({.num_classes = 10, .k = 3, .delta = 1});
  LabelCodes codes;
  codes.offsets = {0, 1};
  codes.ids = {3};
  codes.log_probs = {60000};
  codes.tail_mass = {kNoTail};
  LabelBatch labels;
  EXPECT_THAT([&] { codec.Dequantise(codes, 0, 1, &labels); },
              FailsWith(ErrorCode::kDataLoss, "label 0: no probability mass"));
}

}  // namespace
}  // namespace decant
