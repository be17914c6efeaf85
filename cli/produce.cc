#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <optional>

#include <fmt/chrono.h>
#include <unistd.h>

#include "decant/base/bytes.h"
#include "decant/base/hash.h"
#include "decant/cluster/run_job.h"
#include "decant/store/store_writer.h"

#include "command.h"
#include "console.h"
#include "labelling.h"
#include "signals.h"

namespace decant {
namespace {

struct Options {
  std::string job;
  bool json = false;
  std::string trace;
};

std::string HostName() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

#ifdef DECANT_MPI
const std::string kMpi = MpiVersion();
#else
const std::string kMpi = "none";
#endif

nlohmann::json Provenance(const Job& job, const std::string& probe) {
  return {{"probe", probe},
          {"begun", fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::now()))},
          {"host", HostName()},
          {"libraries",
           {{"decant", DECANT_VERSION}, {"torch", LibTorchVersion()}, {"rocksdb", RocksDbVersion()}, {"mpi", kMpi}}},
          {"job", job.ToJson()}};
}

std::unique_ptr<Communicator> MakeCommunicator() {
#ifdef DECANT_MPI
  if (LaunchedByMpi()) return MakeMpiCommunicator();
#endif
  return std::move(MakeThreadCommunicators(1).front());
}

// The files of a group of spans, as they travel from a rank to the coordinator.
std::string EncodeSpanFiles(const std::vector<SpanFile>& files) {
  ByteWriter writer;
  for (const SpanFile& file : files) {
    writer.PutString(file.path);
    writer.Put(file.file_bytes);
    writer.Put(file.trailer.span);
    writer.PutString(EncodeTrailer(file.trailer));
  }
  return writer.Take();
}

void DecodeSpanFiles(const Layout& layout, const std::string& bytes, std::vector<SpanFile>* files) {
  ByteReader reader(bytes, "files of a group of spans");
  while (reader.remaining() > 0) {
    SpanFile& file = files->emplace_back();
    file.path = reader.GetString();
    file.file_bytes = reader.Get<uint64_t>();
    const Span span = layout.SpanAt(reader.Get<uint64_t>());
    file.trailer = DecodeTrailer(span, reader.GetString());
  }
}

// Rank 0's view of a run: commits, shows progress, reports.
class Production {
 public:
  Production(std::string store_path, int num_ranks) : store_path_(std::move(store_path)), num_ranks_(num_ranks) {}

  std::vector<uint64_t> Begin(const Job& job, const Schema& schema, const StoreWriter::Calibrator& calibrate) {
    layout_ = schema.layout;
    store_.emplace(store_path_, schema, calibrate);
    RequireProbe(job, schema);
    start_ = std::chrono::steady_clock::now();
    progress_.ShowNow(fmt::format("{}: {} of {} spans to label, {} {}", store_path_, store_->MissingSpans().size(),
                                  layout_.num_spans(), num_ranks_, num_ranks_ == 1 ? "rank" : "ranks"));
    return store_->MissingSpans();
  }

  void Commit(const std::vector<std::string>& results) {
    const std::lock_guard lock(mutex_);
    std::vector<SpanFile> files;
    for (const std::string& result : results) DecodeSpanFiles(layout_, result, &files);
    const std::vector<uint64_t> missing = store_->MissingSpans();
    for (const SpanFile& file : files) {
      const bool is_new = std::binary_search(missing.begin(), missing.end(), file.trailer.span);
      if (is_new) labels_ += file.trailer.num_labels;
    }
    store_->Commit(files);
  }

  void Complete() { digest_ = store_->Seal(); }

  void Tick() {
    const std::unique_lock lock(mutex_, std::try_to_lock);  // not while a commit lasts
    if (lock && store_ && progress_.due()) progress_.ShowNow(Line());
  }

  void Report(bool json) {
    const double seconds = Seconds();
    progress_.Finish();
    if (json) {
      const nlohmann::ordered_json object = {{"store", store_path_},
                                             {"ranks", num_ranks_},
                                             {"labels", layout_.num_labels()},
                                             {"labels_this_run", labels_},
                                             {"seconds", seconds},
                                             {"labels_per_second", static_cast<double>(labels_) / seconds},
                                             {"peak_rss_bytes", PeakResidentBytes()},
                                             {"digest", digest_}};
      fmt::print("{}\n", object.dump(2));
    } else {
      fmt::print("{}: complete, {} labels, {} of them in this run in {:.1f} s\ndigest {}\n", store_path_,
                 Grouped(layout_.num_labels()), Grouped(labels_), seconds, digest_);
    }
  }

  void ReportStopped() {
    if (!store_) return;
    progress_.Finish();
    fmt::print(stderr, "{}: stopped at {} of {} spans; running again continues\n", store_path_, store_->num_committed(),
               layout_.num_spans());
  }

 private:
  // The labels of a store come from processors and libraries that give the same logits.
  void RequireProbe(const Job& job, const Schema& schema) const {
    const std::string expected = store_->schema().provenance.value("probe", "");
    const std::string found = schema.provenance.value("probe", "");
    if (job.teacher.any_processor || store_->MissingSpans().empty() || expected.empty() || expected == found) return;
    Fail(ErrorCode::kMismatch,
         "{}: the teacher's logits for the probe batch differ from those of the machine that began the store (probe "
         "expected {}, found {}): another type of processor or version of a library; go on there, or allow labels that "
         "differ in the last bits with --teacher.any_processor=true",
         store_path_, expected, found);
  }

  double Seconds() const {
    return std::max(1e-3, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
  }

  std::string Line() const {
    const double rate = static_cast<double>(labels_) / Seconds();
    const uint64_t missing = store_->MissingSpans().size();
    const double labels_left = static_cast<double>(layout_.num_labels()) * static_cast<double>(missing) /
                               static_cast<double>(layout_.num_spans());
    return fmt::format("{}: {} of {} spans, {:.0f} labels/s, {} to go", store_path_, layout_.num_spans() - missing,
                       layout_.num_spans(), rate,
                       rate > 0 ? fmt::format("{:.0f} s", labels_left / rate) : std::string("some time"));
  }

  const std::string store_path_;
  const int num_ranks_;
  std::mutex mutex_;
  Layout layout_;
  std::optional<StoreWriter> store_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Progress progress_;
  uint64_t labels_ = 0;
  std::string digest_;
};

// Before the first span of a store is paid for.
void RequireAccuracy(const Job& job, const LabellingSetup& setup) {
  if (job.teacher.min_accuracy == 0) return;
  const double accuracy = TeacherAccuracy(job, setup);
  if (accuracy >= job.teacher.min_accuracy) return;
  Fail(
      ErrorCode::kMismatch,
      "the teacher classifies {:.2f} % of data.test_split '{}' right, less than teacher.min_accuracy {:.2f} %: nothing "
      "was labelled; are teacher.mean, teacher.std, teacher.image_size and the order of the classes those it was "
      "trained with?",
      100 * accuracy, job.data.test_split, 100 * job.teacher.min_accuracy);
}

// trace.json, trace.1.json, trace.2.json, ...
std::string TracePath(const std::string& path, int rank) {
  if (rank == 0) return path;
  const std::filesystem::path whole(path);
  return whole.parent_path() / fmt::format("{}.{}{}", whole.stem().string(), rank, whole.extension().string());
}

int Produce(const Options& options, const std::vector<std::string>& overrides) {
  InstallStopSignals();
  const std::unique_ptr<Communicator> communicator = MakeCommunicator();

  Job job;
  LabellingSetup setup;
  std::unique_ptr<Source> source;
  std::optional<Trace> trace;
  if (!options.trace.empty()) trace.emplace(communicator->rank());
  std::optional<SpanLabeller> labeller;
  std::optional<Production> production;
  const WorkerHooks worker = {
      .open =
          [&] {
            job = ReadLabellingJob(options.job, overrides);
            source = OpenJobSource(job);
          },
      .set_up =
          [&] {
            job = WithViewsFrom(job, *source);
            setup = SetUpLabelling(job, std::move(source));
            const std::string probe = setup.teacher->ProbeDigest();
            setup.schema.provenance = Provenance(job, probe);
            const std::string attempt = fmt::format("{}-{}", HostName(), ::getpid());
            labeller.emplace(setup.schema, *setup.renderer, *setup.teacher, job.produce, job.labels.store, attempt,
                             trace ? &*trace : nullptr);
            std::string identity = "schema " + SchemaDigest(setup.schema);
            if (!job.teacher.any_processor) identity += ", probe of the teacher's logits " + probe;
            return identity;
          },
      .work = [&](uint64_t group) { return EncodeSpanFiles(labeller->Label(group)); },
      .prepare = [&](uint64_t group) { labeller->Prepare(group); },
      .stop_requested = [] { return StopRequested() ? StopRequest::kFinish : StopRequest::kNone; },
      .host = HostName(),
  };
  const CoordinatorHooks coordinator = {
      .begin =
          [&] {
            production.emplace(job.labels.store, communicator->size());
            const StoreWriter::Calibrator calibrate = [&] {
              RequireAccuracy(job, setup);
              return labeller->LearnCodecTables();
            };
            return JobPlan{.spans = labeller->groups().GroupsOf(production->Begin(job, setup.schema, calibrate))};
          },
      .commit = [&](const std::vector<std::string>& results) { production->Commit(results); },
      .complete = [&] { production->Complete(); },
      .tick =
          [&](const JobStatus& status) {
            if (status.spans_done > 0) production->Tick();
          },
  };
  const auto write_trace = [&] {
    if (trace) trace->Write(TracePath(options.trace, communicator->rank()));
  };
  try {
    RunJob(*communicator, worker, coordinator);
  } catch (const Error& error) {
    write_trace();
    if (communicator->rank() != 0) throw Error(error.code(), "");  // rank 0 speaks for all
    if (error.code() != ErrorCode::kCancelled) throw;
    if (production) production->ReportStopped();
    return ExitCode(error.code());
  }
  if (communicator->rank() == 0) production->Report(options.json);
  write_trace();
  return 0;
}

}  // namespace

Command AddProduce(CLI::App& program) {
  CLI::App* app = program.add_subcommand(
      "produce", "Labels a dataset with a teacher: starts or continues; also under mpirun or srun");
  const auto options = std::make_shared<Options>();
  app->add_option("job", options->job, "The job file (TOML)")->required();
  app->add_flag("--json", options->json, "Print one JSON object at the end");
  app->add_option("--trace", options->trace,
                  "Write what each thread did when, as Chrome trace-event JSON; rank 1 writes FILE.1.json, ...");
  app->allow_extras();
  app->footer("Every key of the job file can also be given as --section.key=value. Keys: docs/job.md");
  return {app, [app, options] { return Produce(*options, app->remaining()); }};
}

}  // namespace decant
