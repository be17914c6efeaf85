#include "decant/bench/select_benchmark.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <numeric>
#include <thread>

#include <sys/mman.h>

#include "decant/base/error.h"
#include "decant/producer/select.h"
#include "decant/store/store_writer.h"

#include "process_figures.h"
#include "settings.h"
#include "torch_select.h"

namespace decant {
namespace {

using ProgressFunction = std::function<void(const std::string&)>;

constexpr size_t kLogits = 40'000'000;
constexpr size_t kCalibrationLabels = 4096;
constexpr int kRounds = 7;

double ThreadSeconds() {
  timespec time;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <typename Pass>
double SecondsOf(Pass pass) {
  const double begin = ThreadSeconds();
  pass();
  return ThreadSeconds() - begin;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// In large pages where the system gives them, as NumPy's arrays are.
class LogitRows {
 public:
  LogitRows(const SyntheticTeacher& teacher, size_t num_rows) : num_classes_(teacher.num_classes()), size_(num_rows) {
    const size_t num_pages = (num_bytes() + kPageBytes - 1) / kPageBytes;
    logits_.reset(static_cast<float*>(std::aligned_alloc(kPageBytes, num_pages * kPageBytes)));
    if (!logits_) Fail(ErrorCode::kExhausted, "no memory for {} rows of {} logits", num_rows, num_classes_);
    ::madvise(logits_.get(), num_pages * kPageBytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < num_rows; ++i) teacher.Logits(i, {logits_.get() + i * num_classes_, num_classes_});
  }

  size_t num_classes() const { return num_classes_; }
  size_t size() const { return size_; }
  size_t num_bytes() const { return size_ * num_classes_ * sizeof(float); }
  const float* data() const { return logits_.get(); }
  std::span<const float> operator[](size_t i) const { return {logits_.get() + i * num_classes_, num_classes_}; }

 private:
  static constexpr size_t kPageBytes = size_t{2} << 20;
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  size_t num_classes_;
  size_t size_;
  std::unique_ptr<float, Free> logits_;
};

// A store whose spans are written, and never committed.
class SpanSink {
 public:
  SpanSink(const BenchmarkSetting& setting, size_t num_rows, const std::string& path) : path_(path) {
    const SyntheticTeacher& teacher = *setting.teacher;
    schema_.codec = {.num_classes = teacher.num_classes(), .k = teacher.k(), .delta = setting.delta};
    schema_.layout = {.num_epochs = 1,
                      .chunk_size = static_cast<uint32_t>(std::min<size_t>(teacher.k() < 64 ? 1024 : 256, num_rows)),
                      .span_chunks = 64};
    schema_.layout.num_samples = uint64_t{schema_.layout.span_chunks} * schema_.layout.chunk_size;
    const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
    const LabelBatch calibration = MakeLabels(teacher, num_rows, kCalibrationLabels, threads);
    schema_.tables = std::make_shared<CodecTables>(LearnTables(schema_.codec, calibration, Prior::kLearnt));
    writer_ = std::make_unique<StoreWriter>(path_, schema_);
  }

  size_t chunk_size() const { return schema_.layout.chunk_size; }
  ChunkCodec Codec() const { return MakeCodec(schema_); }
  // One span, of these chunks again and again. Returns the seconds of a label.
  double WriteSpan(const std::vector<LabelBatch>& chunks) {
    const double begin = ThreadSeconds();
    SpanWriter span(schema_, path_, schema_.layout.SpanAt(0), "bench");
    for (size_t chunk = 0; chunk < schema_.layout.span_chunks; ++chunk) span.AddChunk(chunks[chunk % chunks.size()]);
    const SpanFile file = span.Finish();
    return (ThreadSeconds() - begin) / static_cast<double>(file.trailer.num_labels);
  }

 private:
  const std::string path_;
  Schema schema_;
  std::unique_ptr<StoreWriter> writer_;
};

// The seconds of a label.
double SelectAll(const LogitRows& rows, TopKSelector* selector, LabelBatch* labels) {
  const double seconds = SecondsOf([&] {
    labels->Clear();
    for (size_t i = 0; i < rows.size(); ++i) selector->Append(rows[i], labels);
  });
  return seconds / static_cast<double>(rows.size());
}

double EncodeAll(const ChunkCodec& codec, const std::vector<LabelBatch>& chunks) {
  size_t num_labels = 0, num_bytes = 0;
  const double seconds = SecondsOf([&] {
    for (const LabelBatch& chunk : chunks) {
      num_labels += chunk.size();
      num_bytes += codec.Encode({.num_samples = static_cast<uint32_t>(chunk.size())}, codec.Quantise(chunk)).size();
    }
  });
  if (num_bytes == 0) Fail(ErrorCode::kInternal, "{} labels were encoded to nothing", num_labels);
  return seconds / static_cast<double>(num_labels);
}

double PartialSortSome(const LogitRows& rows, size_t k) {
  const size_t num_rows = std::max<size_t>(1, rows.size() / 16);
  std::vector<double> probs(rows.num_classes());
  std::vector<uint32_t> ids(rows.num_classes());
  const double seconds = SecondsOf([&] {
    for (size_t i = 0; i < num_rows; ++i) {
      const auto row = rows[i];
      const double largest = *std::max_element(row.begin(), row.end());
      double total = 0;
      for (size_t id = 0; id < row.size(); ++id) total += probs[id] = std::exp(row[id] - largest);
      for (double& prob : probs) prob /= total;
      std::iota(ids.begin(), ids.end(), 0);
      std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(k), ids.end(),
                        [&](uint32_t a, uint32_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
    }
  });
  return seconds / static_cast<double>(num_rows);
}

void WriteRows(const LogitRows& rows, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(rows.data()), static_cast<std::streamsize>(rows.num_bytes()));
  if (!file.flush()) Fail(ErrorCode::kExhausted, "{}: cannot write {} rows", path, rows.size());
}

// The whole chunks of the labels.
std::vector<LabelBatch> CutChunks(const LabelBatch& labels, size_t chunk_size) {
  std::vector<LabelBatch> chunks;
  for (size_t end = chunk_size; end <= labels.size(); end += chunk_size) {
    chunks.emplace_back().AppendRange(labels, end - chunk_size, end);
  }
  return chunks;
}

// Seconds of a label, round by round.
struct Rounds {
  std::vector<double> select, encode, write, partial_sort, torch, ratio;
};

Rounds MeasureRounds(const LogitRows& rows, uint32_t k, SpanSink* sink, TorchSelect* torch) {
  TopKSelector selector(static_cast<uint32_t>(rows.num_classes()), k, 1);
  LabelBatch labels;
  SelectAll(rows, &selector, &labels);
  const std::vector<LabelBatch> chunks = CutChunks(labels, sink->chunk_size());
  const ChunkCodec codec = sink->Codec();
  Rounds rounds;
  for (int round = 0; round < kRounds; ++round) {
    rounds.select.push_back(SelectAll(rows, &selector, &labels));
    if (torch->available()) rounds.torch.push_back(torch->PassSeconds() / static_cast<double>(rows.size()));
    rounds.encode.push_back(EncodeAll(codec, chunks));
    if (torch->available()) {
      rounds.ratio.push_back(rounds.torch.back() / (rounds.select.back() + rounds.encode.back()));
    }
    rounds.write.push_back(std::max(0.0, sink->WriteSpan(chunks) - rounds.encode.back()));
    rounds.partial_sort.push_back(PartialSortSome(rows, k));
  }
  return rounds;
}

SelectRow MeasureSetting(const BenchmarkSetting& setting, const SelectBenchmarkOptions& options,
                         const ProgressFunction& progress) {
  const SyntheticTeacher& teacher = *setting.teacher;
  progress(setting.name + ": making logits");
  const size_t num_rows = options.num_rows > 0 ? options.num_rows : std::bit_floor(kLogits / teacher.num_classes());
  const LogitRows rows(teacher, num_rows);
  const ScratchFolder scratch(options.directory);
  SpanSink sink(setting, num_rows, scratch.path() + "/labels.decant");
  const std::string rows_path = scratch.path() + "/rows.f32";
  WriteRows(rows, rows_path);
  TorchSelect torch(rows_path, teacher.num_classes(), teacher.k());
  progress(setting.name + (torch.available() ? ": measuring, in turn with torch" : ": measuring"));
  const Rounds rounds = MeasureRounds(rows, teacher.k(), &sink, &torch);

  SelectRow row = {.setting = setting.name,
                   .num_rows = num_rows,
                   .select_microseconds = 1e6 * Median(rounds.select),
                   .encode_microseconds = 1e6 * Median(rounds.encode),
                   .write_microseconds = 1e6 * Median(rounds.write),
                   .partial_sort_microseconds = 1e6 * Median(rounds.partial_sort)};
  row.microseconds_per_label = row.select_microseconds + row.encode_microseconds + row.write_microseconds;
  row.labels_per_second = 1e6 / row.microseconds_per_label;
  if (torch.available()) {
    row.torch_microseconds = 1e6 * Median(rounds.torch);
    row.ratio_to_torch = Median(rounds.ratio);
  } else {
    row.note = "/usr/bin/python3 has no torch: not compared (apt-get install python3-torch)";
  }
  return row;
}

}  // namespace

std::vector<SelectRow> RunSelectBenchmark(const SelectBenchmarkOptions& options, const ProgressFunction& progress) {
  std::vector<SelectRow> rows;
  for (const std::string& name : options.setting == "all" ? kSettingNames : std::vector{options.setting}) {
    rows.push_back(MeasureSetting(MakeSetting(name, "default", options.seed), options, progress));
  }
  return rows;
}

nlohmann::ordered_json ToJson(const SelectRow& row) {
  const auto figure = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  };
  return {{"setting", row.setting},
          {"rows", row.num_rows},
          {"labels_per_second", row.labels_per_second},
          {"microseconds_per_label", row.microseconds_per_label},
          {"select_microseconds", row.select_microseconds},
          {"encode_microseconds", row.encode_microseconds},
          {"write_microseconds", row.write_microseconds},
          {"partial_sort_microseconds", row.partial_sort_microseconds},
          {"torch_microseconds", figure(row.torch_microseconds)},
          {"ratio_to_torch", figure(row.ratio_to_torch)},
          {"note", row.note}};
}

}  // namespace decant
