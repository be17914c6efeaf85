#include "decant/exchange/exchange.h"

#include <gtest/gtest.h>

#include "decant/base/bytes.h"
#include "decant/base/file.h"
#include "decant/data/npy.h"
#include "decant/data/npz_writer.h"

#include "tinyvit_record.h"
#include "unit/errors.h"
#include "unit/npz_maker.h"
#include "unit/random_labels.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

std::string Record(uint32_t seed, const std::vector<uint16_t>& ids, const std::vector<uint16_t>& probs) {
  return Elements<uint32_t>({seed}) + Elements(ids) + Elements(probs);
}

TEST(TinyVitRecordTest, GivesItsBytesBack) {
  const std::string records[] = {
      Record(0x80000001, {7, 3, 9}, {0x3c00, 0, 0}),       // one certain class, ties of zeros
      Record(5, {4, 2, 8}, {0x3555, 0x3555, 0x3555}),      // ties in no order
      Record(6, {32767, 0, 1}, {0x3800, 0x3400, 0x0001}),  // the largest class, a subnormal probability
  };
  LabelCodes codes;
  for (const std::string& record : records) {
    EXPECT_NO_THROW(CheckTinyVitRecord(record));
    AppendTinyVitRecord(record, &codes);
  }
  EXPECT_EQ(codes.tie_ranks, (std::vector<uint32_t>{0, 0, 1, 0, 1, 2, 0, 0, 0}));
  const CodecParams params = {
      .num_classes = 32768, .k = 3, .values = Values::kFp16Probs, .delta = 0.125, .record_order = true};
  const ChunkCodec codec(params);
  codec.SortEntries(&codes);
  const ChunkPlace place = {.num_samples = 3};
  const LabelCodes decoded = codec.Decode(place, codec.Encode(place, codes));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(MakeTinyVitRecord(decoded, i), records[i]) << i;
}

TEST(TinyVitRecordTest, RefusesWhatIsNoLabel) {
  const auto refused = [](const std::vector<uint16_t>& ids, const std::vector<uint16_t>& probs, const char* text) {
    EXPECT_THAT([&] { CheckTinyVitRecord(Record(0, ids, probs)); }, FailsWith(ErrorCode::kInvalidArgument, text));
  };
  refused({1, 0xffff}, {0x3800, 0x3400}, "entry 1: class -1 is negative");
  refused({1, 1}, {0x3800, 0x3400}, "class 1 comes twice");
  refused({1, 2}, {0x3400, 0x3800}, "must descend");
  refused({1, 2}, {0x3c01, 0x3400}, "is not in [0, 1]");
  refused({1, 2}, {0x3c00, 0x8000}, "is not in [0, 1]");  // -0
  refused({1, 2}, {0x7e00, 0x3400}, "is not in [0, 1]");  // NaN
}

TEST(TinyVitRecordTest, RoundsAndFillsUp) {
  EXPECT_EQ(MakeRoundedRecord({0, 5}, {-1.3862944f, -0.6931472f}, 4), Record(0, {5, 0, 1, 2}, {0x3800, 0x3400, 0, 0}));
}

TEST(SampleKeysTest, ComeBackFromTheirRecords) {
  SampleKeys keys;
  for (size_t i = 0; i < kKeysPerRecord + 3; ++i) keys.Append(fmt::format("n{}", i));
  std::vector<std::string> records = EncodeSampleKeys(keys);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(DecodeSampleKeys(records, keys.size()).text(), keys.text());
  EXPECT_EQ(keys[0], "n0");
  EXPECT_EQ(keys[kKeysPerRecord + 2], fmt::format("n{}", kKeysPerRecord + 2));
  EXPECT_THAT([&] { DecodeSampleKeys(records, keys.size() + 1); }, FailsWith(ErrorCode::kDataLoss, "part 1: expected"));
  EXPECT_THAT([&] { DecodeSampleKeys(records, keys.size() - 1); }, FailsWith(ErrorCode::kDataLoss, "part 1: expected"));
  EXPECT_THAT([&] { DecodeSampleKeys({records[0]}, keys.size()); }, FailsWith(ErrorCode::kDataLoss, "found 65536"));
  records[1][14] ^= 1;
  EXPECT_THAT([&] { DecodeSampleKeys(records, keys.size()); }, FailsWith(ErrorCode::kDataLoss, "part 1"));
  EXPECT_THAT([&] { keys.Append("a\nb"); }, FailsWith(ErrorCode::kInvalidArgument, "one line"));
  EXPECT_THAT([&] { keys.Append(""); }, FailsWith(ErrorCode::kInvalidArgument, "one line"));
}

TEST(NpzWriterTest, WritesWhatIsReadBack) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("a.npz");
  {
    NpzWriter writer(path);
    writer.Begin("scalar", "<u4", {});
    writer.WriteAll(std::vector<uint32_t>{7});
    writer.Begin("table", "<f4", {2, 3});
    writer.WriteAll(std::vector<float>{1, 2, 3, 4});
    writer.WriteAll(std::vector<float>{5, 6});
    writer.Begin("none", "<u8", {0});
    writer.Finish();
  }
  const auto arrays = ReadNpz(path);
  EXPECT_TRUE(arrays.at("scalar").shape.empty());
  EXPECT_EQ(NumbersOf<uint32_t>(arrays.at("scalar"), "x"), std::vector<uint32_t>{7});
  EXPECT_EQ(arrays.at("table").shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(NumbersOf<double>(arrays.at("table"), "x"), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(arrays.at("none").shape, std::vector<uint64_t>{0});
  EXPECT_THAT([&] { NumbersOf<uint32_t>(arrays.at("table"), "x"); }, FailsWith(ErrorCode::kInvalidArgument, "'<f4'"));
}

TEST(NpzWriterTest, LeavesNothingUnlessFinished) {
  const TemporaryDirectory directory;
  {
    NpzWriter writer(directory.File("a.npz"));
    writer.Begin("x", "<u4", {2});
    EXPECT_THAT([&] { writer.Write("123456789"); }, FailsWith(ErrorCode::kInternal, "more bytes"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

// A store with every column that bounded labels can have, in an order of its own.
Schema FullSchema() {
  Schema schema = SmallSchema();
  schema.codec.temperatures = {1, 3};
  schema.codec.true_label = true;
  schema.codec.view_fingerprints = true;
  schema.tables = nullptr;
  return schema;
}

LabelBatch FullLabels(const Schema& schema, uint32_t epoch, uint64_t chunk) {
  LabelBatch labels = LabelsOfChunk(schema, epoch, chunk);
  for (size_t i = 0; i < labels.size(); ++i) {
    labels.other_tails.push_back(std::min(1.0f, 1.5f * labels.tail_mass[i]));
    labels.true_log_probs.push_back(-0.5f * static_cast<float>(i));
  }
  return labels;
}

TEST(NpzExchangeTest, KeepsEveryColumnAndRoundsTheSameTwice) {
  const TemporaryDirectory directory;
  const Schema schema = FullSchema();
  {
    StoreWriter writer(directory.File("store"), schema);
    for (const uint64_t index : writer.MissingSpans()) {
      const Span span = schema.layout.SpanAt(index);
      SpanWriter span_writer(writer.schema(), directory.File("store"), span, "a");
      for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
        span_writer.AddChunk(FullLabels(schema, span.epoch, chunk));
      }
      writer.Commit({span_writer.Finish()});
    }
    writer.Seal();
  }
  EXPECT_EQ(ExportNpz(StoreReader(directory.File("store")), directory.File("out"), 0, 2), 44u);
  const NpzImport options = {.sources = {directory.File("out")}, .delta = schema.codec.delta};
  const ImportReport report = ImportNpz(directory.File("copy"), options);
  EXPECT_EQ(report.num_labels, 44u);
  EXPECT_EQ(ImportNpz(directory.File("copy"), options).digest, report.digest);  // nothing is left to do

  ExportNpz(StoreReader(directory.File("copy")), directory.File("again"), 0, 2);
  for (const char* name : {"epoch-000000.npz", "epoch-000001.npz"}) {
    const auto first = ReadNpz(directory.File("out") + "/" + name);
    const auto second = ReadNpz(directory.File("again") + "/" + name);
    ASSERT_EQ(first.size(), 9u);
    EXPECT_EQ(first.at("view_fingerprints").descr, "<u2");
    for (const auto& [array, content] : first) {
      if (array == "ids" || array == "log_probs") continue;  // in another order of the classes
      EXPECT_EQ(content.bytes, second.at(array).bytes) << name << " " << array;
    }
  }
}

TEST(NpzExchangeTest, RoundingDecodedLabelsAgainMovesCodesByOneAtMost) {
  const CodecParams params = {.num_classes = 100, .k = 10, .delta = 0.03125};
  const ChunkCodec codec(params);
  size_t moved = 0;
  size_t labels_seen = 0;
  for (const double spread : {0.5, 2.0, 6.0, 20.0}) {
    const LabelCodes codes = codec.Quantise(
        RandomLabels({.num_labels = 5000, .num_classes = 100, .k = 10, .spread = spread, .variable_counts = true}));
    LabelBatch labels;
    codec.Dequantise(codes, 0, codes.size(), &labels);
    for (float& log_prob : labels.log_probs) log_prob = std::min(log_prob, 0.0f);
    const LabelCodes again = codec.Quantise(labels);
    EXPECT_EQ(again.ids, codes.ids);
    for (size_t i = 0; i < codes.values.size(); ++i) EXPECT_LE(std::abs(again.values[i] - codes.values[i]), 1);
    for (size_t i = 0; i < codes.size(); ++i) {
      moved += !std::equal(codes.values.begin() + codes.offsets[i], codes.values.begin() + codes.offsets[i + 1],
                           again.values.begin() + codes.offsets[i]);
    }
    labels_seen += codes.size();
  }
  RecordProperty("moved", static_cast<int>(moved));
  EXPECT_LE(moved, labels_seen / 1000);
}

}  // namespace
}  // namespace decant
