// What ChunkCodec says to damaged chunks, and to sound records that mean nonsense. tests/golden has more of them.
#include <functional>

#include <gtest/gtest.h>

#include "decant/base/bytes.h"
#include "decant/store/record.h"

#include "unit/codec_cases.h"
#include "unit/errors.h"

namespace decant {
namespace {

class ChunkDamageTest : public testing::TestWithParam<CodecCase> {
 protected:
  std::string Payload() const { return record_.substr(kRecordHeaderBytes, record_.size() - kRecordOverheadBytes); }
  void ExpectRefused(const std::string& record, const std::string& what) const {
    EXPECT_THAT([&] { codec_.Decode(place_, record); },
                FailsWith(ErrorCode::kDataLoss, "chunk 1099511627776 of epoch 3"))
        << what;
    LabelBatch labels;
    EXPECT_THAT([&] { codec_.DecodeLabels(place_, record, &labels); }, FailsWith(ErrorCode::kDataLoss, "")) << what;
  }
  // Decodes to labels that a store can have, or says that it is damaged.
  void ExpectHarmless(const std::string& record, const std::string& what) const {
    LabelCodes codes;
    try {
      codes = codec_.Decode(place_, record);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kDataLoss) << what;
      return;
    }
    for (size_t i = 0; i < codes.size(); ++i) {
      const uint32_t count = codes.offsets[i + 1] - codes.offsets[i];
      EXPECT_TRUE(count >= 1 && count <= GetParam().params.k) << what;
    }
    for (const uint32_t id : codes.ids) EXPECT_LT(id, GetParam().params.num_classes) << what;
    EXPECT_EQ(codec_.Decode(place_, codec_.Encode(place_, codes)), codes) << what;
  }

  const ChunkCodec codec_{GetParam().params, TablesOf(GetParam())};
  const LabelCodes codes_ = codec_.Quantise(MakeLabels(GetParam().params, GetParam().labels));
  const ChunkPlace place_ = PlaceOf(codes_);
  const std::string record_ = codec_.Encode(place_, codes_);
};

TEST_P(ChunkDamageTest, TruncationAtEveryByteIsRefused) {
  for (size_t size = 0; size < record_.size(); ++size) {
    ExpectRefused(record_.substr(0, size), fmt::format("{} bytes", size));
  }
}

TEST_P(ChunkDamageTest, TruncationOfThePayloadIsRefused) {
  const std::string payload = Payload();
  for (size_t size = 0; size < payload.size(); ++size) {
    ExpectRefused(WrapRecord(RecordMagic::kChunk, payload.substr(0, size)), fmt::format("{} bytes", size));
  }
  ExpectRefused(WrapRecord(RecordMagic::kChunk, payload + '\0'), "a byte too many");
}

TEST_P(ChunkDamageTest, EverySingleBitFlipIsRefused) {
  for (size_t bit = 0; bit < 8 * record_.size(); ++bit) {
    std::string record = record_;
    record[bit / 8] = static_cast<char>(record[bit / 8] ^ 1 << bit % 8);
    ExpectRefused(record, fmt::format("bit {}", bit));
  }
}

TEST_P(ChunkDamageTest, BitFlipsUnderARightChecksumAreHarmless) {
  const std::string sound = Payload();
  for (size_t bit = 0; bit < 8 * sound.size(); ++bit) {
    std::string payload = sound;
    payload[bit / 8] = static_cast<char>(payload[bit / 8] ^ 1 << bit % 8);
    ExpectHarmless(WrapRecord(RecordMagic::kChunk, payload), fmt::format("bit {}", bit));
  }
}

TEST_P(ChunkDamageTest, AnotherPlaceIsRefused) {
  const auto expect_refused = [&](ChunkPlace place, const std::string& text) {
    EXPECT_THAT([&] { codec_.Decode(place, record_); }, FailsWith(ErrorCode::kDataLoss, text));
    EXPECT_THAT([&] { codec_.DecodeSample(place, record_, 0); }, FailsWith(ErrorCode::kDataLoss, text));
  };
  ChunkPlace place = place_;
  place.epoch = 4;
  expect_refused(place, "epoch: expected 4, found 3");
  place = place_;
  place.chunk = 5;
  expect_refused(place, "chunk: expected 5, found 1099511627776");
  place = place_;
  ++place.num_samples;
  expect_refused(place, fmt::format("number of samples: expected {}, found {}", place.num_samples, place_.num_samples));
}

INSTANTIATE_TEST_SUITE_P(Cases, ChunkDamageTest, testing::ValuesIn(CodecCases()),
                         [](const auto& test) { return test.param.name; });

// One test for each refusal of a payload whose checksum is right. The fields are those of docs/format.md.
class ChunkRefusalTest : public testing::Test {
 protected:
  // A chunk of `num_labels` labels, from its fields.
  struct Fields {
    uint32_t fixed_count = 0;
    uint32_t min_bits = 0;
    uint8_t width = 0;
    std::string lengths;
    std::string stream;
  };
  std::string Record(const Fields& fields) const {
    ByteWriter writer;
    writer.Put(uint32_t{1});
    writer.Put(uint64_t{2});
    writer.Put(kPlace.num_samples);
    writer.Put(fields.fixed_count);
    writer.Put(fields.min_bits);
    writer.Put(fields.width);
    writer.PutBytes(fields.lengths);
    writer.PutBytes(fields.stream);
    return WrapRecord(RecordMagic::kChunk, writer.bytes());
  }
  void ExpectRefused(const std::string& record, const std::string& text) const {
    const ChunkCodec codec(params_);
    EXPECT_THAT([&] { codec.Decode(kPlace, record); }, FailsWith(ErrorCode::kDataLoss, "chunk 2 of epoch 1"));
    EXPECT_THAT([&] { codec.Decode(kPlace, record); }, FailsWith(ErrorCode::kDataLoss, text));
  }
  void ExpectNotALabel(const LabelCodes& codes) const {
    ExpectRefused(ChunkCodec(params_).Encode(kPlace, codes), "label 0: its bits are not a label");
  }
  LabelCodes OneLabel(std::vector<uint32_t> ids, std::vector<uint16_t> values, uint16_t tail) const {
    LabelCodes codes;
    codes.offsets = {0, static_cast<uint32_t>(ids.size())};
    codes.ids = std::move(ids);
    codes.values = std::move(values);
    codes.tails = {tail};
    return codes;
  }

  static constexpr ChunkPlace kPlace = {.epoch = 1, .chunk = 2, .num_samples = 1};
  CodecParams params_ = {.num_classes = 10, .k = 3, .delta = 0.25};
};

TEST_F(ChunkRefusalTest, RecordOfAnotherKind) {
  ExpectRefused(WrapRecord(RecordMagic::kTrailer, "x"), "magic number");
}
TEST_F(ChunkRefusalTest, FixedCountAboveK) {
  ExpectRefused(Record({.fixed_count = 4}), "entries of a label: expected 0 to 3, found 4");
}
TEST_F(ChunkRefusalTest, WidthAbove32) {
  ExpectRefused(Record({.min_bits = 8, .width = 33}), "numbers of 33 bits");
}
TEST_F(ChunkRefusalTest, PaddingOfAColumn) {
  ExpectRefused(Record({.min_bits = 8, .width = 7, .lengths = "\x80", .stream = "x"}), "padding bits");
}
TEST_F(ChunkRefusalTest, LabelsWithoutBits) {
  ExpectRefused(Record({}), "1 labels of 0 bits and more in 0 bytes");
}
TEST_F(ChunkRefusalTest, MoreBitsThanThereAre) {
  ExpectRefused(Record({.min_bits = 9, .stream = "x"}), "1 labels of 9 bits and more in 1 bytes");
}
TEST_F(ChunkRefusalTest, FewerBitsThanThereAre) {
  ExpectRefused(Record({.min_bits = 8, .stream = "xyz"}), "expected 1 bytes of labels, found 3");
}
TEST_F(ChunkRefusalTest, LengthsBeyondTheStream) {
  ExpectRefused(Record({.min_bits = 8, .width = 8, .lengths = "\x09", .stream = "x"}),
                "expected 3 bytes of labels, found 1");
}
TEST_F(ChunkRefusalTest, PaddingOfTheStream) {
  ExpectRefused(Record({.min_bits = 7, .stream = "\x80"}), "padding bits");
}
TEST_F(ChunkRefusalTest, BitsThatAreNotALabel) {
  ExpectRefused(Record({.min_bits = 64, .stream = std::string(8, '\xff')}), "label 0: its bits are not a label");
}
TEST_F(ChunkRefusalTest, CountAboveK) {
  params_.k = 4;
  const std::string record = ChunkCodec(params_).Encode(kPlace, OneLabel({0, 1, 2, 3}, {1, 1, 1, 1}, 0));
  params_.k = 3;
  ExpectRefused(record, "entries of a label: expected 0 to 3, found 4");
}
TEST_F(ChunkRefusalTest, IdNotBelowNumClasses) {
  ExpectNotALabel(OneLabel({10}, {1}, 0));
}
TEST_F(ChunkRefusalTest, AnchoredIdNotBelowNumClasses) {
  CodecTables tables = DefaultTables(params_);
  tables.anchored = true;
  const ChunkCodec codec(params_, tables);
  for (const std::vector<uint32_t>& ids : {std::vector<uint32_t>{12}, std::vector<uint32_t>{5, 10}}) {
    const LabelCodes codes = OneLabel(ids, std::vector<uint16_t>(ids.size(), 1), 0);
    EXPECT_THAT([&] { codec.Decode(kPlace, codec.Encode(kPlace, codes)); },
                FailsWith(ErrorCode::kDataLoss, "label 0: its bits are not a label"));
  }
}
TEST_F(ChunkRefusalTest, ValueThatStandsForNoTail) {
  ExpectNotALabel(OneLabel({3}, {0xffff}, 0));
}
TEST_F(ChunkRefusalTest, TrueValueThatStandsForNoTail) {
  params_.true_label = true;
  LabelCodes codes = OneLabel({3}, {1}, 0);
  codes.true_values = {0xffff};
  ExpectNotALabel(codes);
}
TEST_F(ChunkRefusalTest, Float16CodeAboveThatOfZero) {
  params_.values = Values::kFp16Probs;
  LabelCodes codes = OneLabel({3}, {kFp16ZeroCode + 1}, 0);
  codes.tails.clear();
  ExpectNotALabel(codes);
}
TEST_F(ChunkRefusalTest, RankThatComesTwice) {
  params_.values = Values::kFp16Probs;
  params_.record_order = true;
  LabelCodes codes = OneLabel({3, 5}, {7, 7}, 0);
  codes.tails.clear();
  codes.extras = {0};
  codes.tie_ranks = {1, 0};
  const ChunkCodec codec(params_);
  EXPECT_EQ(codec.Decode(kPlace, codec.Encode(kPlace, codes)), codes);
  codes.tie_ranks = {1, 1};
  ExpectNotALabel(codes);
}
TEST_F(ChunkRefusalTest, RankNotBelowTheEqualValues) {
  params_.values = Values::kFp16Probs;
  params_.record_order = true;
  LabelCodes codes = OneLabel({3, 5, 6}, {7, 7, 7}, 0);
  codes.tails.clear();
  codes.extras = {0};
  codes.tie_ranks = {0, 1, 3};
  ExpectNotALabel(codes);
}
TEST_F(ChunkRefusalTest, MoreLabelsThanAChunkCanHave) {
  params_.windows = true;
  ByteWriter writer;
  writer.Put(uint32_t{1});
  writer.Put(uint64_t{2});
  writer.Put(kPlace.num_samples);
  writer.Put(uint8_t{32});
  writer.Put((uint32_t{1} << 29) + 1);
  ExpectRefused(WrapRecord(RecordMagic::kChunk, writer.bytes()), "more than 536870912 labels");
}
// 2^29 labels in no bytes at all.
TEST_F(ChunkRefusalTest, LabelsThatTakeNoBits) {
  params_.windows = true;
  ByteWriter writer;
  writer.Put(uint32_t{1});
  writer.Put(uint64_t{2});
  writer.Put(kPlace.num_samples);
  writer.Put(uint8_t{32});
  writer.Put(uint32_t{1} << 29);
  writer.Put(uint64_t{0});  // hash
  writer.Put(uint64_t{0});  // counts and bits
  writer.Put(uint8_t{0});
  ExpectRefused(WrapRecord(RecordMagic::kChunk, writer.bytes()), "536870912 labels of 0 bits and more in 0 bytes");
}

TEST_F(ChunkRefusalTest, FingerprintsThatTheSchemaHasNotAndThatItLacks) {
  LabelCodes codes = OneLabel({3}, {1}, 0);
  const std::string without = ChunkCodec(params_).Encode(kPlace, codes);
  params_.view_fingerprints = true;
  codes.view_fingerprints = {0xbeef};
  const std::string with = ChunkCodec(params_).Encode(kPlace, codes);
  EXPECT_EQ(with.size(), without.size() + 2);
  EXPECT_EQ(with.substr(28, 2), "\xef\xbe");
  EXPECT_EQ(ChunkCodec(params_).Decode(kPlace, with), codes);
  ExpectRefused(without, "");
  params_.view_fingerprints = false;
  ExpectRefused(with, "");
}
TEST_F(ChunkRefusalTest, FewerFingerprintsThanSamples) {
  params_.view_fingerprints = true;
  ByteWriter writer;
  writer.Put(uint32_t{1});
  writer.Put(uint64_t{2});
  writer.Put(kPlace.num_samples);
  writer.Put(uint8_t{1});
  ExpectRefused(WrapRecord(RecordMagic::kChunk, writer.bytes()), "truncated: 2 bytes wanted at offset 16, 1 there");
}

TEST_F(ChunkRefusalTest, ProbabilitiesThatAllVanish) {
  params_.delta = 1;
  const ChunkCodec codec(params_);
  const LabelCodes codes = OneLabel({3}, {60000}, kNoTail);
  LabelBatch labels;
  EXPECT_THAT([&] { codec.Dequantise(codes, 0, 1, &labels); },
              FailsWith(ErrorCode::kDataLoss, "label 0: no probability mass"));
  EXPECT_THAT(
      [&] { codec.DecodeLabels(kPlace, codec.Encode(kPlace, codes), &labels); },
      FailsWith(ErrorCode::kDataLoss, "chunk 2 of epoch 1, counted from label 0: label 0: no probability mass"));
}
TEST_F(ChunkRefusalTest, LogitsThatAreNotNumbers) {
  params_.values = Values::kBf16Logits;
  const ChunkCodec codec(params_);
  LabelCodes codes = OneLabel({3}, {0}, kNoTail);  // the bits 0x7fff
  codes.extras = {0};
  LabelBatch labels;
  EXPECT_THAT([&] { codec.Dequantise(codes, 0, 1, &labels); },
              FailsWith(ErrorCode::kDataLoss, "label 0: a logit that is not a number"));
  codes.values = {0x4000};
  codes.extras = {0x7f800000};
  EXPECT_THAT([&] { codec.Dequantise(codes, 0, 1, &labels); },
              FailsWith(ErrorCode::kDataLoss, "label 0: a log-sum-exp of inf"));
}

}  // namespace
}  // namespace decant
