#include "decant/bench/store_benchmark.h"

#include <algorithm>
#include <filesystem>
#include <thread>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/bench/synthetic_teacher.h"
#include "decant/store/verify.h"

#include "decant_rows.h"
#include "label_rows.h"
#include "process_figures.h"
#include "reading.h"

namespace decant {
namespace {

using ProgressFunction = std::function<void(const std::string&)>;

constexpr size_t kDistinctLabels = 1 << 14;
constexpr size_t kDistinctScaleLabels = 1 << 16;
constexpr uint64_t kWarmReads = 200'000;
constexpr uint64_t kColdReads = 5'000;
constexpr double kReadSeconds = 5;

unsigned Cores() {
  return std::max(1u, std::thread::hardware_concurrency());
}

CycledLabels MakeCycle(const StoreBenchmarkOptions& options, size_t num_distinct) {
  ImageTeacherParams params = {.num_classes = options.num_classes, .k = options.k, .seed = options.seed};
  if (options.num_classes > 5000) params.node_signal = 5;  // as in the settings of `bench codec`
  const auto teacher = MakeImageTeacher(params);
  return CycledLabels(MakeLabels(*teacher, 0, std::min<uint64_t>(num_distinct, options.num_labels), Cores()));
}

// Opens, and says what that took.
void OpenMeasured(LabelRows* rows, double* milliseconds, double* mebibytes) {
  const double resident = ResidentMebibytes();
  const double begin = SecondsNow();
  rows->Open(Access::kRandom);
  *milliseconds = 1e3 * (SecondsNow() - begin);
  *mebibytes = ResidentMebibytes() - resident;
}

StoreRow MeasureRows(LabelRows* rows, const std::string& directory, const CycledLabels& labels, uint64_t num_labels,
                     uint64_t seed) {
  StoreRow row = {.store = rows->name(), .num_labels = num_labels};
  const double begin = SecondsNow();
  rows->Write(labels, num_labels);
  row.write_labels_per_second = static_cast<double>(num_labels) / (SecondsNow() - begin);
  row.bytes_per_label = static_cast<double>(AllocatedBytes(directory)) / static_cast<double>(num_labels);

  DropPages(directory);
  rows->Open(Access::kSequential);
  row.sequential_cold = ReadInOrder(rows, num_labels, kReadSeconds);
  CheckRows(rows, labels, num_labels);
  ReadInOrder(rows, num_labels, 1e9);
  row.sequential_warm = ReadInOrder(rows, num_labels, kReadSeconds);
  rows->Close();

  OpenMeasured(rows, &row.open_milliseconds, &row.open_resident_mebibytes);
  ReadRandomly(rows, num_labels, kWarmReads, kReadSeconds, seed + 1);
  row.random_warm = ReadRandomly(rows, num_labels, kWarmReads, kReadSeconds, seed);
  rows->Close();
  DropPages(directory);
  rows->Open(Access::kRandom);
  row.random_cold = ReadRandomly(rows, num_labels, kColdReads, kReadSeconds, seed);
  rows->Close();
  return row;
}

void Put(const char* which, const ReadFigures& figures, bool latency, nlohmann::ordered_json* json) {
  (*json)[fmt::format("{}_labels_per_second", which)] = figures.labels_per_second;
  if (latency) (*json)[fmt::format("{}_p99_microseconds", which)] = figures.p99_microseconds;
}

}  // namespace

std::vector<StoreRow> RunStoreBenchmark(const StoreBenchmarkOptions& options, const ProgressFunction& progress) {
  progress("making labels");
  const CycledLabels labels = MakeCycle(options, kDistinctLabels);
  const RowShape shape = {.num_classes = options.num_classes, .k = options.k, .span_chunks = options.span_chunks};
  const ScratchFolder scratch(options.directory);
  std::vector<StoreRow> rows;
  const auto measure = [&](const char* folder, const auto& make) {
    const std::string directory = scratch.path() + "/" + folder;
    CreateDirectories(directory);
    const std::unique_ptr<LabelRows> way = make(directory);
    if (way) {
      progress(way->name());
      rows.push_back(MeasureRows(way.get(), directory, labels, options.num_labels, options.seed));
    } else {
      progress(fmt::format("{}: not in this build", folder));
    }
    std::filesystem::remove_all(directory);
  };
  measure("flat", [&](const std::string& directory) { return MakeFlatRows(directory, shape, false); });
  measure("mapped", [&](const std::string& directory) { return MakeFlatRows(directory, shape, true); });
  measure("lmdb", [&](const std::string& directory) { return MakeLmdbRows(directory, shape); });
  measure("rocksdb", [&](const std::string& directory) { return MakeRocksDbRows(directory, shape); });
  measure("decant", [&](const std::string& directory) { return MakeDecantRows(directory, shape); });
  return rows;
}

ScaleReport RunScaleBenchmark(const StoreBenchmarkOptions& options, const ProgressFunction& progress) {
  progress("making labels");
  const CycledLabels labels = MakeCycle(options, kDistinctScaleLabels);
  const ScratchFolder scratch(options.directory);
  DecantRows rows(scratch.path(),
                  {.num_classes = options.num_classes, .k = options.k, .span_chunks = options.span_chunks});
  ScaleReport report = {.num_labels = options.num_labels};

  const uint64_t written_before = DiskBytesWritten();
  double begin = SecondsNow();
  rows.Write(labels, options.num_labels, [&](uint64_t done) {
    progress(fmt::format("{} of {} labels written", done, options.num_labels));
    if (done * 10 / options.num_labels >= report.peak_mebibytes.size()) {
      report.peak_mebibytes.emplace_back(done, PeakResidentMebibytes());
    }
  });
  report.write_seconds = SecondsNow() - begin;
  report.disk_bytes_written = DiskBytesWritten() - written_before;
  report.final_bytes = AllocatedBytes(rows.path());

  progress("verifying");
  const VerifyReport verified = VerifyStore(rows.path(), Cores());
  report.verify_seconds = verified.seconds;
  report.labels_verified = verified.num_labels;
  if (!verified.sound() || !verified.complete() || verified.num_labels != options.num_labels) {
    Fail(ErrorCode::kDataLoss, "{}: the store that was just written does not verify", rows.path());
  }

  progress("reading");
  OpenMeasured(&rows, &report.open_milliseconds, &report.open_resident_mebibytes);
  CheckRows(&rows, labels, options.num_labels);
  report.sequential = ReadInOrder(&rows, options.num_labels, 6 * kReadSeconds);
  report.random = ReadRandomly(&rows, options.num_labels, kWarmReads, kReadSeconds, options.seed);
  rows.Close();
  DropPages(rows.path());
  begin = SecondsNow();
  rows.Open(Access::kRandom);
  report.open_cold_milliseconds = 1e3 * (SecondsNow() - begin);
  return report;
}

nlohmann::ordered_json ToJson(const StoreRow& row) {
  nlohmann::ordered_json json = {{"store", row.store},
                                 {"labels", row.num_labels},
                                 {"bytes_per_label", row.bytes_per_label},
                                 {"write_labels_per_second", row.write_labels_per_second},
                                 {"open_milliseconds", row.open_milliseconds},
                                 {"open_resident_mebibytes", row.open_resident_mebibytes}};
  Put("sequential_warm", row.sequential_warm, false, &json);
  Put("sequential_cold", row.sequential_cold, false, &json);
  Put("random_warm", row.random_warm, true, &json);
  Put("random_cold", row.random_cold, true, &json);
  return json;
}

nlohmann::ordered_json ToJson(const ScaleReport& report) {
  nlohmann::ordered_json json = {{"labels", report.num_labels},
                                 {"final_bytes", report.final_bytes},
                                 {"disk_bytes_written", report.disk_bytes_written},
                                 {"write_seconds", report.write_seconds},
                                 {"verify_seconds", report.verify_seconds},
                                 {"labels_verified", report.labels_verified},
                                 {"open_milliseconds", report.open_milliseconds},
                                 {"open_cold_milliseconds", report.open_cold_milliseconds},
                                 {"open_resident_mebibytes", report.open_resident_mebibytes}};
  Put("sequential", report.sequential, false, &json);
  Put("random", report.random, true, &json);
  json["peak_mebibytes"] = nlohmann::ordered_json::array();
  for (const auto& [labels, mebibytes] : report.peak_mebibytes) {
    json["peak_mebibytes"].push_back({{"labels", labels}, {"mebibytes", mebibytes}});
  }
  return json;
}

}  // namespace decant
