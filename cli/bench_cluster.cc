#include "bench_cluster.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <numeric>
#include <optional>
#include <set>
#include <thread>

#include "decant/base/bytes.h"
#include "decant/base/file.h"
#include "decant/cluster/run_job.h"
#include "decant/store/store_writer.h"

#include "bench/process_figures.h"
#include "bench_cluster_scaling.h"

namespace decant {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Runs a job on threads of this process.
void RunOnThreads(std::vector<WorkerHooks>& workers, const CoordinatorHooks& coordinator) {
  const auto communicators = MakeThreadCommunicators(static_cast<int>(workers.size()));
  std::vector<std::jthread> others;
  for (size_t rank = 1; rank < workers.size(); ++rank) {
    others.emplace_back([&, rank] {
      try {
        RunJob(*communicators[rank], workers[rank], {});
      } catch (const Error&) {
        // The first rank throws the same.
      }
    });
  }
  RunJob(*communicators[0], workers[0], coordinator);
}

std::vector<uint64_t> Sequence(uint64_t begin, uint64_t end) {
  std::vector<uint64_t> numbers(end - begin);
  std::iota(numbers.begin(), numbers.end(), begin);
  return numbers;
}

Json MeasureEfficiency(const ClusterBenchmarkOptions& options) {
  const std::vector<double> speeds = {1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 4};
  constexpr uint64_t kSpans = 400;
  std::vector<WorkerHooks> workers(speeds.size());
  for (size_t rank = 0; rank < speeds.size(); ++rank) {
    const std::chrono::duration<double> span(options.span_milliseconds / 1000.0 / speeds[rank]);
    workers[rank].work = [span](uint64_t) {
      std::this_thread::sleep_for(span);
      return std::string();
    };
  }
  JobStatus status;
  uint64_t num_doubled = 0;
  const CoordinatorHooks coordinator = {
      .begin =
          [] {
            return JobPlan{"", Sequence(0, kSpans)};
          },
      .commit = [](const std::vector<std::string>&) {},
      .tick =
          [&](const JobStatus& now) {
            status = now;
            num_doubled += static_cast<uint64_t>(std::ranges::count(now.events, "span_doubled", &JobEvent::kind));
          },
  };
  const auto begin = Clock::now();
  RunOnThreads(workers, coordinator);
  const double wall = SecondsSince(begin);
  double busy = 0;
  double ideal = 0;
  for (const RankStatus& rank : status.ranks) busy += rank.busy_seconds;
  for (const double speed : speeds) ideal += speed;
  return {{"setting", "efficiency"},
          {"efficiency", busy / wall / static_cast<double>(speeds.size())},
          {"seconds", wall},
          {"ideal_seconds", kSpans * options.span_milliseconds / 1000.0 / ideal},
          {"spans_doubled", num_doubled}};
}

// Stores with spans of `span_chunks` chunks of 4 labels each.
Schema TinySchema(uint64_t num_spans, uint32_t span_chunks) {
  Schema schema;
  schema.layout = {
      .num_samples = num_spans * span_chunks * 4, .num_epochs = 1, .chunk_size = 4, .span_chunks = span_chunks};
  schema.codec = {.num_classes = 10, .k = 3, .delta = 0.125, .temperatures = {2}};
  schema.dataset = {{"kind", "bench"}};
  schema.order = {{"kind", "global"}, {"version", 1}};
  schema.teacher = {{"digest", "bench"}};
  schema.tables = std::make_shared<CodecTables>(DefaultTables(schema.codec));
  return schema;
}

LabelBatch TinyLabels() {
  LabelBatch labels;
  for (int label = 0; label < 4; ++label) {
    labels.ids.push_back(label);
    labels.log_probs.push_back(-0.125F);
    labels.tail_mass.push_back(1 - std::exp(-0.125F));
    labels.offsets.push_back(static_cast<uint32_t>(labels.ids.size()));
  }
  return labels;
}

SpanFile WriteTinySpan(const Schema& schema, const std::string& path, uint64_t index, const LabelBatch& labels) {
  const Span span = schema.layout.SpanAt(index);
  SpanWriter writer(schema, path, span, "bench");
  for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) writer.AddChunk(labels);
  return writer.Finish();
}

// Writes spans with several threads, which wait for the disk.
std::vector<SpanFile> WriteTinySpans(const Schema& schema, const std::string& path, uint64_t begin, uint64_t end) {
  const LabelBatch labels = TinyLabels();
  std::vector<SpanFile> files(end - begin);
  std::atomic<uint64_t> next = begin;
  std::vector<std::future<void>> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(std::async(std::launch::async, [&] {
      for (uint64_t span = next++; span < end; span = next++) {
        files[span - begin] = WriteTinySpan(schema, path, span, labels);
      }
    }));
  }
  for (auto& thread : threads) thread.get();
  return files;
}

void CommitAll(StoreWriter* store, const std::vector<SpanFile>& files) {
  for (size_t begin = 0; begin < files.size(); begin += 500) {
    const size_t end = std::min(files.size(), begin + 500);
    store->Commit(
        {files.begin() + static_cast<std::ptrdiff_t>(begin), files.begin() + static_cast<std::ptrdiff_t>(end)});
  }
}

// What a batch of so many spans takes.
double CommitSeconds(StoreWriter* store, const std::vector<SpanFile>& files, size_t* next, size_t count) {
  const auto begin = Clock::now();
  store->Commit(
      {files.begin() + static_cast<std::ptrdiff_t>(*next), files.begin() + static_cast<std::ptrdiff_t>(*next + count)});
  *next += count;
  return SecondsSince(begin);
}

// A store of many files, and the files of spans that are not committed yet.
class ManyFiles {
 public:
  static constexpr uint64_t kNew = 5000;
  static constexpr size_t kTimed = 840;

  ManyFiles(const ClusterBenchmarkOptions& options, const std::function<void(const std::string&)>& progress)
      : folder_(options.directory), schema_(TinySchema(options.files + kTimed + kNew, 1)), store_(Path(), schema_) {
    progress(fmt::format("coordinator: a store of {} files", options.files));
    CommitAll(&store_, WriteTinySpans(schema_, Path(), 0, options.files));
    progress(fmt::format("coordinator: {} files of spans", kTimed + kNew));
    timed_ = WriteTinySpans(schema_, Path(), options.files, options.files + kTimed);
    first_ = options.files + kTimed;
    files_ = WriteTinySpans(schema_, Path(), first_, first_ + kNew);
  }

  std::string Path() const { return folder_.path() + "/store"; }
  StoreWriter& store() { return store_; }
  uint64_t first() const { return first_; }
  const SpanFile& FileOf(uint64_t span) const { return files_[span - first_]; }

  // A batch costs a constant and an amount for each span: from batches of 1 and of 200, medians.
  void MeasureCommits(ServiceTimes* times) {
    std::vector<double> small, large;
    size_t next = 0;
    for (int i = 0; i < 40; ++i) small.push_back(CommitSeconds(&store_, timed_, &next, 1));
    for (int i = 0; i < 4; ++i) large.push_back(CommitSeconds(&store_, timed_, &next, 200));
    std::ranges::sort(small);
    std::ranges::sort(large);
    times->commit_span_seconds = std::max(0.0, (large[2] - small[20]) / 199);
    times->commit_seconds = small[20] - times->commit_span_seconds;
  }

 private:
  const ScratchFolder folder_;
  const Schema schema_;
  StoreWriter store_;
  std::vector<SpanFile> timed_;
  std::vector<SpanFile> files_;
  uint64_t first_ = 0;
};

// The files of the spans are there: what is measured is the coordinator, not the disk of the ranks.
Json MeasureCoordinator(const ClusterBenchmarkOptions& options, ManyFiles* files, const ServiceTimes& times) {
  std::vector<WorkerHooks> workers(options.ranks);
  for (WorkerHooks& worker : workers) {
    worker.work = [](uint64_t span) {
      ByteWriter result;
      result.Put(span);
      return result.Take() + std::string(150, ' ');  // about what the files' description takes
    };
  }
  Clock::time_point begun;
  uint64_t num_commits = 0;
  std::set<uint64_t> committed;  // a copy of a span that was done twice has a file of its own elsewhere
  const CoordinatorHooks coordinator = {
      .begin =
          [&] {
            begun = Clock::now();
            return JobPlan{"", Sequence(files->first(), files->first() + ManyFiles::kNew)};
          },
      .commit =
          [&](const std::vector<std::string>& results) {
            std::vector<SpanFile> batch;
            for (const std::string& result : results) {
              const auto span = ByteReader(result, "result").Get<uint64_t>();
              if (committed.insert(span).second) batch.push_back(files->FileOf(span));
            }
            files->store().Commit(batch);
            ++num_commits;
          },
  };
  RunOnThreads(workers, coordinator);
  const double committed_seconds = SecondsSince(begun);

  // How fast spans are dealt is taken from a job whose commits cost nothing.
  CoordinatorHooks dealing = coordinator;
  dealing.commit = [](const std::vector<std::string>&) {};
  dealing.begin = [&] {
    begun = Clock::now();
    return JobPlan{"", Sequence(0, 10 * ManyFiles::kNew)};
  };
  RunOnThreads(workers, dealing);
  const double dealt_seconds = SecondsSince(begun);
  return {{"setting", "coordinator"},
          {"ranks", options.ranks},
          {"files", options.files},
          {"dealt_per_second", 10 * ManyFiles::kNew / dealt_seconds},
          {"committed_per_second", ManyFiles::kNew / committed_seconds},
          {"commits", num_commits},
          {"messages_per_second", MeasureMessagesPerSecond(static_cast<int>(options.ranks))},
          {"commit_milliseconds", 1e3 * times.commit_seconds},
          {"commit_span_microseconds", 1e6 * times.commit_span_seconds}};
}

Json MeasureRestart(const ClusterBenchmarkOptions& options, const std::function<void(const std::string&)>& progress) {
  constexpr uint32_t kSpanChunks = 250;
  constexpr uint64_t kMissing = 100;
  const ScratchFolder folder(options.directory);
  const std::string path = folder.path() + "/store";
  const uint64_t num_spans = std::max<uint64_t>(options.chunks / kSpanChunks, kMissing + 1);
  const Schema schema = TinySchema(num_spans, kSpanChunks);
  progress(fmt::format("restart: a store of {} chunks in {} files", options.chunks, num_spans - kMissing));
  {
    StoreWriter store(path, schema);
    CommitAll(&store, WriteTinySpans(schema, path, 0, num_spans - kMissing));
  }
  Json object = {{"setting", "restart"}, {"chunks", num_spans * kSpanChunks}, {"files", num_spans - kMissing}};
  for (const bool cold : {false, true}) {
    if (cold) DropPages(folder.path());
    const auto begin = Clock::now();
    std::atomic<double> first = 0;
    double opened = 0;
    std::optional<StoreWriter> store;
    std::vector<WorkerHooks> workers(1);
    workers[0].work = [&](uint64_t) -> std::string {
      if (first == 0) first = SecondsSince(begin);
      Fail(ErrorCode::kCancelled, "enough");
    };
    const CoordinatorHooks coordinator = {
        .begin =
            [&] {
              store.emplace(path, schema);
              opened = SecondsSince(begin);
              return JobPlan{"", store->MissingSpans()};
            },
        .commit = [](const std::vector<std::string>&) {},
    };
    try {
      RunOnThreads(workers, coordinator);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCancelled) throw;
    }
    const std::string suffix = cold ? "_cold_seconds" : "_seconds";
    object["first_span" + suffix] = first.load();
    object["open" + suffix] = opened;
  }
  return object;
}

void WriteCsv(const std::string& path, const std::vector<Json>& objects) {
  std::string text = "span_seconds,ranks,efficiency,message_thread_busy,commit_thread_busy\n";
  for (const Json& object : objects) {
    for (const Json& row : object["rows"]) {
      text += fmt::format("{},{},{:.4f},{:.4f},{:.4f}\n", object["span_seconds"].get<double>(),
                          row["ranks"].get<uint32_t>(), row["efficiency"].get<double>(),
                          row["message_thread_busy"].get<double>(), row["commit_thread_busy"].get<double>());
    }
  }
  WriteFileAtomically(path, text);
}

}  // namespace

std::vector<Json> RunClusterBenchmark(const ClusterBenchmarkOptions& options,
                                      const std::function<void(const std::string&)>& progress) {
  const auto wanted = [&](const char* setting) { return options.setting == "all" || options.setting == setting; };
  std::vector<Json> objects;
  if (wanted("efficiency")) {
    progress("efficiency: 400 spans on 8 ranks");
    objects.push_back(MeasureEfficiency(options));
  }
  if (wanted("coordinator") || wanted("scaling")) {
    ManyFiles files(options, progress);
    ServiceTimes times = {.message_seconds = options.message_microseconds > 0 ? 1e-6 * options.message_microseconds
                                                                              : MeasureMessageSeconds()};
    files.MeasureCommits(&times);
    if (wanted("coordinator")) {
      progress(fmt::format("coordinator: {} ranks", options.ranks));
      objects.push_back(MeasureCoordinator(options, &files, times));
    }
    if (wanted("scaling")) {
      std::vector<Json> scaling = MeasureScaling(times, options.max_ranks, progress);
      if (!options.csv.empty()) WriteCsv(options.csv, scaling);
      std::ranges::move(scaling, std::back_inserter(objects));
    }
  }
  if (wanted("restart")) objects.push_back(MeasureRestart(options, progress));
  if (objects.empty()) Fail(ErrorCode::kInvalidArgument, "there is no setting '{}'", options.setting);
  return objects;
}

}  // namespace decant
