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

const CodecParams kParams = {.num_classes = 10, .k = 3, .delta = 0.25};
constexpr ChunkPlace kPlace = {.epoch = 1, .chunk = 2, .num_samples = 3};

std::string SmallRecord() {
  const ChunkCodec codec(kParams);
  return codec.Encode(kPlace, codec.Quantise(RandomLabels({.num_labels = 3, .variable_counts = true})));
}

class ChunkDamageTest : public testing::Test {
 protected:
  // Decode refuses `record`, naming the place and `text`.
  void ExpectRecordRefused(const std::string& record, const std::string& text) {
    EXPECT_THAT([&] { codec_.Decode(kPlace, record); }, FailsWith(ErrorCode::kDataLoss, text));
    EXPECT_THAT([&] { codec_.Decode(kPlace, record); }, FailsWith(ErrorCode::kDataLoss, "chunk 2 of epoch 1"));
  }

  const ChunkCodec codec_{kParams};
};

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
  }
}

TEST_F(ChunkDamageTest, RejectsRecordOfAnotherKind) {
  ExpectRecordRefused(WrapRecord(RecordMagic::kTrailer, "x"), "magic number");
}
TEST_F(ChunkDamageTest, RejectsLabelWhoseProbabilitiesAllVanish) {
  const ChunkCodec codec({.num_classes = 10, .k = 3, .delta = 1});
  LabelCodes codes;
  codes.offsets = {0, 1};
  codes.ids = {3};
  codes.values = {60000};
  codes.tails = {kNoTail};
  LabelBatch labels;
  EXPECT_THAT([&] { codec.Dequantise(codes, 0, 1, &labels); },
              FailsWith(ErrorCode::kDataLoss, "label 0: no probability mass"));
}

}  // namespace
}  // namespace decant
