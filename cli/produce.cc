#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <fmt/chrono.h>
#include <unistd.h>

#include "decant/base/bytes.h"
#include "decant/base/hash.h"
#include "decant/cluster/run_job.h"
#include "decant/cluster/slurm.h"

#include "command.h"
#include "console.h"
#include "labelling.h"
#include "outcome.h"
#include "production.h"
#include "scratch.h"
#include "signals.h"

namespace decant {
namespace {

struct Options {
  std::string job;
  bool json = false;
  std::string trace;
  std::string partition;
  std::string scratch;
  std::string metrics;
  double deadline_seconds = 0;
  double lease_seconds = 30;
};

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

// Ranks start at different times, on many hosts that load the libraries from one file system: how long they wait for
// MPI, and then for each other's first word.
constexpr double kMpiStartLeases = 10;
constexpr double kStartLeases = 4;

std::unique_ptr<Communicator> MakeCommunicator([[maybe_unused]] double lease_seconds) {
#ifdef DECANT_MPI
  if (LaunchedByMpi()) return MakeMpiCommunicator(std::chrono::duration<double>(kMpiStartLeases * lease_seconds));
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

// What the coordinator tells every rank before its first span.
struct Brief {
  std::string staging;
  std::string claimant;
  uint64_t span_bytes = 0;
};
std::string EncodeBrief(const Brief& brief) {
  ByteWriter writer;
  writer.PutString(brief.staging);
  writer.PutString(brief.claimant);
  writer.Put(brief.span_bytes);
  return writer.Take();
}
Brief DecodeBrief(const std::string& bytes) {
  ByteReader reader(bytes, "brief of a job");
  Brief brief;
  brief.staging = reader.GetString();
  brief.claimant = reader.GetString();
  brief.span_bytes = reader.Get<uint64_t>();
  return brief;
}

std::string StatisticsText(const LabellingTimes& times) {
  const nlohmann::ordered_json object = {{"labels", times.num_labels},
                                         {"seconds",
                                          {{"render", times.render_seconds},
                                           {"forward", times.forward_seconds},
                                           {"encode", times.encode_seconds},
                                           {"write", times.write_seconds}}}};
  return object.dump();
}

// Until when this run has time: what --deadline says, and Slurm's limit, if that comes first.
std::optional<std::chrono::steady_clock::time_point> Deadline(const Options& options) {
  std::optional<std::chrono::duration<double>> left;
  if (options.deadline_seconds > 0) left = std::chrono::duration<double>(options.deadline_seconds);
  if (const auto slurm = SlurmSecondsLeft(); slurm && (!left || *slurm < *left)) left = *slurm;
  if (!left) return std::nullopt;
  return std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(*left);
}

// One rank of a labelling run, from the job file to the end.
class ProduceRank {
 public:
  ProduceRank(const Options& options, const std::vector<std::string>& overrides, Communicator& communicator)
      : options_(options), overrides_(overrides), communicator_(communicator) {
    if (!options.trace.empty()) trace_.emplace(communicator.rank());
    if (!options.partition.empty()) partition_ = ParsePartition(options.partition);
  }

  // The exit code; throws what ended the run, with an empty text where another rank says it.
  int Run() {
    try {
      JobOptions job_options = {.silence_seconds = options_.lease_seconds,
                                .start_seconds = kStartLeases * options_.lease_seconds};
      if (IsRankZero()) job_options.deadline = Deadline(options_);
      RunJob(communicator_, WorkerSide(), CoordinatorSide(), job_options);
    } catch (const Error& error) {
      return Fail(error);
    }
    if (IsRankZero()) production_->ReportComplete(options_.json);
    WriteTrace();
    return 0;
  }

 private:
  bool IsRankZero() const { return communicator_.rank() == 0; }

  WorkerHooks WorkerSide() {
    return {.open = [this] { Open(); },
            .set_up = [this] { return SetUp(); },
            .begin = [this](const std::string& brief) { BeginSpans(DecodeBrief(brief)); },
            .work = [this](uint64_t group) { return Work(group); },
            .prepare = [this](uint64_t group) { labeller_->Prepare(group); },
            .statistics = [this] { return is_set_up_ ? StatisticsText(labeller_->times()) : std::string(); },
            .abandon = [this] { labeller_->Abandon(); },
            .stop_requested =
                [] {
                  if (!StopRequested()) return StopRequest::kNone;
                  return UrgentStopRequested() ? StopRequest::kAbandon : StopRequest::kFinish;
                },
            .host = HostName()};
  }
  CoordinatorHooks CoordinatorSide() {
    return {.begin = [this] { return BeginJob(); },
            .settle = [this] { return production_->Settle(); },
            .commit =
                [this](const std::vector<std::string>& results) {
                  std::vector<SpanFile> files;
                  for (const std::string& result : results) DecodeSpanFiles(setup_.schema.layout, result, &files);
                  production_->Commit(files);
                },
            .complete = [this] { production_->Complete(StopRequested); },
            .tick =
                [this](const JobStatus& status) {
                  if (has_begun_) production_->Tick(status);
                }};
  }

  void Open() {
    job_ = ReadLabellingJob(options_.job, overrides_);
    if (partition_) job_.labels.store = PartPath(job_.labels.store, *partition_);
    job_.data.trust_index = !IsRankZero();  // which has opened it before
    source_ = OpenJobSource(job_);
  }

  std::string SetUp() {
    job_ = WithViewsFrom(job_, *source_);
    setup_ = SetUpLabelling(job_, std::move(source_));
    const std::string probe = setup_.teacher->ProbeDigest();
    setup_.schema.provenance = Provenance(job_, probe);
    scratch_.emplace(options_.scratch);
    labeller_.emplace(setup_.schema, *setup_.renderer, *setup_.teacher, job_.produce,
                      fmt::format("{}-{}", HostName(), ::getpid()), trace_ ? &*trace_ : nullptr);
    is_set_up_ = true;
    std::string identity = "schema " + SchemaDigest(setup_.schema);
    if (!job_.teacher.any_processor) identity += ", probe of the teacher's logits " + probe;
    return identity;
  }

  // Nothing where a guest has begun the group.
  std::string Work(uint64_t group) {
    if (claims_ && !claims_->Claim(group)) {
      labeller_->Skip(group);
      return "";
    }
    return EncodeSpanFiles(labeller_->Label(group));
  }

  void BeginSpans(const Brief& brief) {
    if (!brief.claimant.empty()) claims_.emplace(job_.labels.store, brief.claimant);
    constexpr uint64_t kSpansAtOnce = 2;  // one that is written, one that is copied
    scratch_->RequireSpace(kSpansAtOnce * LocalSize() * brief.span_bytes);
    labeller_->Begin({.staging = brief.staging, .scratch = scratch_->path()});
  }

  JobPlan BeginJob() {
    production_.emplace(job_.labels.store, ProductionOptions{.partition = partition_,
                                                             .lease_seconds = options_.lease_seconds,
                                                             .metrics = options_.metrics,
                                                             .num_ranks = communicator_.size(),
                                                             .check_space = job_.produce.check_space,
                                                             .any_processor = job_.teacher.any_processor});
    has_begun_ = true;
    const StoreWriter::Calibrator calibrate = [this] {
      RequireAccuracy(job_, setup_);
      return labeller_->LearnCodecTables();
    };
    JobPlan plan;
    plan.spans = production_->Begin(setup_.schema, labeller_->groups(), calibrate,
                                    [this] { return labeller_->bytes_per_sample(); });
    plan.brief = EncodeBrief({.staging = production_->staging_path(),
                              .claimant = production_->claimant(),
                              .span_bytes = production_->span_bytes()});
    return plan;
  }

  int Fail(const Error& error) {
    const int exit_code = ExitCode(error.code());
    WriteTrace();
    if (!IsRankZero()) {
      const bool alone_knows = dynamic_cast<const RankZeroUnheard*>(&error) != nullptr;
      throw Error(error.code(), alone_knows ? error.what() : "");
    }
    if (error.code() == ErrorCode::kCancelled) {
      if (production_) production_->ReportStopped(error.what());
      return exit_code;
    }
    if (production_) production_->ReportFailed(exit_code, error.what());
    throw error;
  }

  void WriteTrace() const {
    if (trace_) trace_->Write(TracePath(options_.trace, communicator_.rank()));
  }

  const Options& options_;
  const std::vector<std::string>& overrides_;
  Communicator& communicator_;
  std::optional<Trace> trace_;
  std::optional<Partition> partition_;
  Job job_;
  std::unique_ptr<Source> source_;
  LabellingSetup setup_;
  std::optional<SpanScratch> scratch_;
  std::optional<SpanLabeller> labeller_;
  std::optional<SpanClaims> claims_;  // in the coordinator's name
  std::optional<Production> production_;
  std::atomic<bool> is_set_up_ = false;  // labeller_ is there, for other threads
  std::atomic<bool> has_begun_ = false;  // production_ is
};

int Produce(const Options& options, const std::vector<std::string>& overrides) {
  InstallStopSignals();
  const std::unique_ptr<Communicator> communicator = MakeCommunicator(options.lease_seconds);
  const auto hint = HintOfLaunch(AllowedCores());
  if (hint && hint->fatal) decant::Fail(ErrorCode::kUnavailable, "{}", hint->text);
  if (hint && communicator->rank() == 0) fmt::print(stderr, "{}\n", hint->text);
  ProduceRank rank(options, overrides, *communicator);
  try {
    const int exit_code = rank.Run();
    WriteOutcome(exit_code);  // before MPI ends, which may hang
    return exit_code;
  } catch (const Error& error) {
    WriteOutcome(ExitCode(error.code()));
    throw;
  }
}

}  // namespace

Command AddProduce(CLI::App& program) {
  CLI::App* app = program.add_subcommand(
      "produce", "Labels a dataset with a teacher: starts or continues; also under mpirun or srun");
  const auto options = std::make_shared<Options>();
  app->add_option("job", options->job, "The job file (TOML)")->required();
  app->add_flag("--json", options->json, "Print one JSON object at the end");
  app->add_option("--partition", options->partition,
                  "I/N: label part I of N, counted from 0, into the store <labels.store>.parts/I-of-N");
  app->add_option("--scratch", options->scratch,
                  "Write span files here first ($SLURM_TMPDIR, else $TMPDIR); none: straight to the store");
  app->add_option("--deadline", options->deadline_seconds, "Stop, resumable, so many seconds from now at the latest")
      ->check(CLI::PositiveNumber);
  app->add_option("--lease", options->lease_seconds,
                  "Seconds after which a silent rank, or another writer, is given up")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 86'400.0));
  app->add_option("--metrics", options->metrics, "Keep this file up to date, in Prometheus' text format");
  app->add_option("--trace", options->trace,
                  "Write what each thread did when, as Chrome trace-event JSON; rank 1 writes FILE.1.json, ...");
  app->allow_extras();
  app->footer("Every key of the job file can also be given as --section.key=value. Keys: docs/job.md");
  return {app, [app, options] { return Produce(*options, app->remaining()); }};
}

}  // namespace decant
