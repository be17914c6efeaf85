#include "decant/store/label_statistics.h"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "column_bits.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

uint64_t AllBits(const ColumnBits& bits) {
  uint64_t total = 0;
  for (size_t column = 0; column < kColumnNames.size(); ++column) total += bits.bits(static_cast<Column>(column));
  return total;
}

TEST(ColumnBitsTest, AddUpToTheBitsOfTheLabels) {
  const LabelBatch labels = RandomLabels({.num_labels = 300, .num_classes = 500, .k = 12, .variable_counts = true});
  for (const bool anchored : {false, true}) {
    const CodecParams params = {.num_classes = 500, .k = 12, .delta = 0.03125};
    CodecTables tables = LearnTables(params, labels, Prior::kLearnt);
    tables.anchored = anchored;
    const ChunkCodec codec(params, tables);
    const LabelCodes codes = codec.Quantise(labels);
    ColumnBits bits(params, tables);
    bits.Add(codes);
    EXPECT_EQ(AllBits(bits), codec.CountBits(codes));
    EXPECT_EQ(bits.bits(Column::kAnchors) > 0, anchored);
    EXPECT_EQ(bits.bits(Column::kTies) + bits.bits(Column::kExtras), 0u);
  }
}

TEST(ColumnBitsTest, TellPlainNumbersApart) {
  const CodecParams params = {
      .num_classes = 9, .k = 3, .values = Values::kFp16Probs, .delta = 0.125, .record_order = true};
  LabelCodes codes;
  codes.offsets = {0, 3};
  codes.ids = {1, 4, 7};
  codes.values = {100, 100, 200};
  codes.tie_ranks = {1, 0, 0};
  codes.extras = {77};
  for (const bool anchored : {false, true}) {
    CodecTables tables = DefaultTables(params);
    tables.anchored = anchored;
    ColumnBits bits(params, tables);
    bits.Add(codes);
    EXPECT_EQ(bits.bits(Column::kExtras), 32u);
    EXPECT_EQ(bits.bits(Column::kTies), 2u);
    EXPECT_EQ(AllBits(bits), ChunkCodec(params, tables).CountBits(codes));
  }
}

TEST(LabelStatisticsTest, CountEveryLabelOfASmallStore) {
  const TemporaryDirectory directory;
  const Schema schema = SmallSchema();
  MakeCompleteStore(directory.File("store"), schema);
  const StoreReader store(directory.File("store"));
  uint64_t asked = 0;
  const LabelStatistics statistics = SampleStatistics(store, 100, 1000, [&](uint32_t epoch, uint64_t position) {
    ++asked;
    LabelBatch label;
    store.ReadLabel(epoch, position, &label);
    const auto top = std::max_element(label.log_probs.begin(), label.log_probs.end()) - label.log_probs.begin();
    return label.ids[static_cast<size_t>(top)] + (position == 0 ? 1 : 0);  // wrong once in each epoch
  });
  EXPECT_EQ(statistics.num_chunks, 12u);
  EXPECT_EQ(statistics.num_labels, 44u);
  EXPECT_EQ(asked, 44u);
  EXPECT_EQ(statistics.num_agreeing, 42u);
  uint64_t record_bytes = 0;
  uint64_t entries = 0;
  for (const auto& trailer : store.ledger()) {
    record_bytes += trailer->chunk_bytes;
    entries += trailer->num_entries;
  }
  double bytes = 0;
  for (const auto& [name, of_column] : statistics.column_bytes) bytes += of_column;
  EXPECT_EQ(bytes, static_cast<double>(record_bytes));
  for (const Histogram* histogram :
       {&statistics.entropy, &statistics.entries, &statistics.tail_mass, &statistics.top_prob}) {
    EXPECT_EQ(std::accumulate(histogram->counts.begin(), histogram->counts.end(), uint64_t{0}), 44u);
    EXPECT_EQ(histogram->edges.size(), histogram->counts.size() + 1);
  }
  EXPECT_EQ(statistics.entries.sum, static_cast<double>(entries));
}

TEST(LabelStatisticsTest, FingerprintsAreAColumnOfTwoBytesASample) {
  const TemporaryDirectory directory;
  Schema schema = SmallSchema();
  schema.codec.view_fingerprints = true;
  MakeCompleteStore(directory.File("store"), schema);
  const LabelStatistics statistics = SampleStatistics(StoreReader(directory.File("store")), 100, 1000, {});
  EXPECT_THAT(statistics.column_bytes, testing::Contains(std::pair<std::string, double>("view_fingerprints", 88)));
}

TEST(LabelStatisticsTest, SpreadOverAStoreThatIsLarge) {
  const TemporaryDirectory directory;
  MakeCompleteStore(directory.File("store"), SmallSchema());
  const StoreReader store(directory.File("store"));
  EXPECT_EQ(SampleStatistics(store, 3, 1000, {}).num_chunks, 3u);
  EXPECT_EQ(SampleStatistics(store, 100, 25, {}).num_chunks, 2u);  // chunks of at most 12 entries
}

TEST(LabelStatisticsTest, NothingOfAnEmptyStore) {
  const TemporaryDirectory directory;
  MakeStore(directory.File("store"), SmallSchema(), {});
  EXPECT_EQ(SampleStatistics(StoreReader(directory.File("store")), 10, 1000, {}).num_labels, 0u);
}

TEST(HistogramTest, PutsEdgesIntoTheBinAbove) {
  Histogram histogram = {.edges = {0, 1, 2}, .counts = {0, 0}};
  for (const double value : {-1.0, 0.0, 0.5, 1.0, 2.0, 3.0}) histogram.Add(value);
  EXPECT_EQ(histogram.counts, (std::vector<uint64_t>{3, 3}));
  EXPECT_EQ(histogram.sum, 5.5);
}

}  // namespace
}  // namespace decant
