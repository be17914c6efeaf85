#include "bench/label_rows.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "decant/base/error.h"
#include "decant/bench/store_benchmark.h"

#include "bench/process_figures.h"
#include "bench/reading.h"
#include "unit/random_labels.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

constexpr RowShape kShape = {.num_classes = 900, .k = 7, .span_chunks = 2};
constexpr uint64_t kNumLabels = 3 * CycledLabels::kChunkLabels + 100;

CycledLabels Labels(uint64_t seed) {
  return CycledLabels(RandomLabels({.num_labels = 700, .num_classes = 900, .k = 7, .seed = seed}));
}

TEST(CycledLabelsTest, ChunksStartAtDifferentLabelsAndGoRoundTheEnd) {
  const CycledLabels labels = Labels(1);
  LabelBatch chunk;
  labels.Append(CycledLabels::kChunkLabels, 2 * CycledLabels::kChunkLabels, &chunk);
  ASSERT_EQ(chunk.size(), CycledLabels::kChunkLabels);
  for (size_t i = 0; i < chunk.size(); ++i) {
    const size_t index = labels.IndexAt(CycledLabels::kChunkLabels + i);
    ASSERT_EQ(index, (7919 + i) % 700);
    ASSERT_TRUE(std::ranges::equal(chunk.LabelIds(i), labels.distinct().LabelIds(index)));
  }
}

using Maker = std::unique_ptr<LabelRows> (*)(const std::string&, const RowShape&);
class LabelRowsTest : public ::testing::TestWithParam<Maker> {};

TEST_P(LabelRowsTest, LabelsComeBackOneByOneAndInOrder) {
  const TemporaryDirectory folder;
  const auto rows = GetParam()(folder.path(), kShape);
  if (!rows) GTEST_SKIP() << "not in this build";
  rows->Write(Labels(1), kNumLabels);
  for (const Access access : {Access::kRandom, Access::kSequential}) {
    rows->Open(access);
    CheckRows(rows.get(), Labels(1), kNumLabels);
    EXPECT_THROW(CheckRows(rows.get(), Labels(2), kNumLabels), Error);
    EXPECT_GT(ReadInOrder(rows.get(), kNumLabels, 10).labels_per_second, 0);
    const ReadFigures random = ReadRandomly(rows.get(), kNumLabels, 100, 10, 1);
    EXPECT_GT(random.labels_per_second, 0);
    EXPECT_GT(random.p99_microseconds, 0);
    rows->Close();
  }
}

TEST_P(LabelRowsTest, LogProbabilitiesAreThoseOfTheLabel) {
  const TemporaryDirectory folder;
  const auto rows = GetParam()(folder.path(), kShape);
  if (!rows) GTEST_SKIP() << "not in this build";
  const CycledLabels labels = Labels(1);
  rows->Write(labels, kNumLabels);
  rows->Open(Access::kRandom);
  LabelBatch found;
  rows->ReadOne(1500, &found);
  const auto ids = labels.distinct().LabelIds(labels.IndexAt(1500));
  const auto log_probs = labels.distinct().LabelLogProbs(labels.IndexAt(1500));
  ASSERT_EQ(found.ids.size(), ids.size());
  for (size_t entry = 0; entry < ids.size(); ++entry) {
    const auto place = std::ranges::find(found.ids, ids[entry]) - found.ids.begin();
    EXPECT_NEAR(found.log_probs[place], log_probs[entry], 0.04);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ways, LabelRowsTest,
    ::testing::Values(
        +[](const std::string& folder, const RowShape& shape) { return MakeFlatRows(folder, shape, false); },
        +[](const std::string& folder, const RowShape& shape) { return MakeFlatRows(folder, shape, true); },
        MakeLmdbRows, MakeRocksDbRows, MakeDecantRows));

TEST(StoreBenchmarkTest, MeasuresEveryWayAndLeavesNothingBehind) {
  const TemporaryDirectory folder;
  const auto rows =
      RunStoreBenchmark({.num_labels = 3000, .num_classes = 900, .k = 7, .span_chunks = 2, .directory = folder.path()},
                        [](const auto&) {});
  std::vector<std::string> stores;
  for (const StoreRow& row : rows) {
    stores.push_back(row.store);
    EXPECT_GT(row.bytes_per_label, 8) << row.store;
    EXPECT_GT(row.random_cold.labels_per_second, 0) << row.store;
  }
  EXPECT_THAT(stores, ::testing::IsSupersetOf({"flat_pread", "flat_mmap", "rocksdb_rows", "decant"}));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ScaleBenchmarkTest, VerifiesWhatItWrote) {
  const TemporaryDirectory folder;
  const ScaleReport report =
      RunScaleBenchmark({.num_labels = 20000, .num_classes = 900, .k = 7, .span_chunks = 2, .directory = folder.path()},
                        [](const auto&) {});
  EXPECT_EQ(report.labels_verified, 20000u);
  EXPECT_GE(report.final_bytes, 20000u * 7);
  EXPECT_EQ(report.peak_mebibytes.back().first, 20000u);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(StoreBenchmarkTest, RowsHaveTheDocumentedKeys) {
  std::vector<std::string> keys;
  const nlohmann::ordered_json json = ToJson(StoreRow{.store = "s"});
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(keys, ::testing::ElementsAre("store", "labels", "bytes_per_label", "write_labels_per_second",
                                           "open_milliseconds", "open_resident_mebibytes",
                                           "sequential_warm_labels_per_second", "sequential_cold_labels_per_second",
                                           "random_warm_labels_per_second", "random_warm_p99_microseconds",
                                           "random_cold_labels_per_second", "random_cold_p99_microseconds"));
}

TEST(ScratchFolderTest, IsRemovedWithItsFiles) {
  const TemporaryDirectory folder;
  {
    const ScratchFolder scratch(folder.path());
    std::ofstream(scratch.path() + "/file") << "text";
    EXPECT_GT(AllocatedBytes(scratch.path()), 0u);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_THROW(ScratchFolder("/nonexistent/folder"), Error);
}

}  // namespace
}  // namespace decant
