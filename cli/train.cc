#include "train.h"

#include <cstdio>
#include <optional>

#include "decant/cluster/communicator.h"
#include "decant/producer/select.h"
#include "decant/store/store_reader.h"

#include "command.h"
#include "console.h"
#include "labelling.h"
#include "signals.h"

namespace decant {
namespace {

// What a rank waits for the others in one step.
[[maybe_unused]] constexpr double kRankSeconds = 600;

struct Options {
  std::string job;
  bool json = false;
};

// The job's [views], where they are given, must be the store's: a student sees what the teacher saw.
void RequireStoreViews(const Job& job, const StoreReader& store, const Source& dataset) {
  const Schema& schema = store.schema();
  Schema wanted = schema;
  bool given = false;
  for (const std::string& key : job.given) given = given || key.starts_with("views.");
  if (given) {
    ViewSpec spec = job.views;
    spec.size = ViewSpecFromIdentity(schema.views).size;  // the teacher's, which a student need not know
    wanted.views = ViewIdentity(spec);
    wanted.order = OrderIdentity(job.views.order_spec());
    wanted.seed = job.views.seed;
  }
  wanted.dataset = dataset.Identity();
  std::string text;
  for (const SchemaDifference& difference : CompareSchemas(schema, wanted)) {
    text += fmt::format("; {}: expected {}, found {}", difference.field, difference.expected, difference.found);
  }
  if (!text.empty()) {
    Fail(ErrorCode::kMismatch, "the labels of {} are not for this dataset and these views{}", store.path(), text);
  }
}

std::string EpochLine(const Job& job, const EpochReport& epoch) {
  const std::string accuracy =
      epoch.test_accuracy ? fmt::format(", test accuracy {:.2f} %", 100 * *epoch.test_accuracy) : "";
  return fmt::format("{}: epoch {} of {}, loss {:.4f}{}", job.train.checkpoint, epoch.epoch, job.train.num_epochs,
                     epoch.train_loss, accuracy);
}

void Print(const Job& job, const TrainReport& report, bool json) {
  if (json) {
    const nlohmann::ordered_json object = {{"checkpoint", job.train.checkpoint},
                                           {"labels", job.train.labels},
                                           {"test_accuracy", report.test_accuracy},
                                           {"parameters", report.num_parameters},
                                           {"steps", report.num_steps},
                                           {"epochs_resumed", report.epochs_resumed},
                                           {"train_seconds", report.train_seconds},
                                           {"peak_rss_bytes", PeakResidentBytes()}};
    fmt::print("{}\n", object.dump(2));
    return;
  }
  fmt::print("{}: test accuracy {:.2f} %, {} parameters, {} steps, {:.1f} s of training\n", job.train.checkpoint,
             100 * report.test_accuracy, Grouped(report.num_parameters), Grouped(report.num_steps),
             report.train_seconds);
}

// Null where this process trains alone.
std::unique_ptr<LockstepRanks> JoinRanks([[maybe_unused]] double wait_seconds) {
#ifdef DECANT_MPI
  if (LaunchedByMpi()) return MakeMpiLockstepRanks(std::chrono::duration<double>(kRankSeconds + wait_seconds));
#endif
  return nullptr;
}

// The stores whose labels the job learns from, as one.
std::shared_ptr<StoreSet> OpenStores(const Job& job) {
  std::vector<std::shared_ptr<StoreReader>> stores = {std::make_shared<StoreReader>(job.labels.store)};
  for (const std::string& path : job.train.teachers) stores.push_back(std::make_shared<StoreReader>(path));
  const double temperature =
      job.train.temperature > 0 ? job.train.temperature : stores.front()->schema().codec.temperatures.front();
  return std::make_shared<StoreSet>(std::move(stores), Combine::kTeachers, temperature);
}

// The job's teacher, beside the student: it labels what the student sees, when it sees it. What a store saves.
class TeacherBeside {
 public:
  TeacherBeside(const Job& job, const TrainingSetup& setup)
      : teacher_(MakeTeacher(job, *setup.train)),
        selector_(teacher_->num_classes(), job.labels.k, job.labels.temperatures.front()) {
    const ImageShape shape = TeacherShape(job, *setup.train);
    if (shape != setup.views->shape()) {
      Fail(ErrorCode::kMismatch,
           "{}: a teacher beside the student sees the student's views: {} x {} pixels, but teacher.image_size is "
           "{} x {}",
           job.path, setup.views->shape().height, setup.views->shape().width, shape.height, shape.width);
    }
  }
  std::unique_ptr<Targets> MakeTargets(const Job& job, const TrainingSetup& setup) {
    return MakeLiveTargets(*setup.views, setup.targets, teacher_->num_classes(), job.labels.temperatures.front(),
                           [this](const uint8_t* images, size_t n, LabelBatch* labels) {
                             const size_t num_classes = teacher_->num_classes();
                             teacher_->Logits(images, n, &logits_);
                             for (size_t i = 0; i < n; ++i) {
                               selector_.Append(std::span(logits_).subspan(i * num_classes, num_classes), labels);
                             }
                           });
  }

 private:
  std::unique_ptr<Teacher> teacher_;
  TopKSelector selector_;
  std::vector<float> logits_;
};

int TrainOnRank(const Options& options, Job job, const TrainRanks& ranks) {
  TrainingSetup setup;
  std::optional<TeacherBeside> teacher;
  std::unique_ptr<Targets> targets;
  if (job.train.labels == "store") {
    job.Require("labels.store");
    job.Require("data.path");
    const std::shared_ptr<StoreSet> stores = OpenStores(job);
    const StoreReader& first = *stores->EpochOf(0).store;
    RequireStoreViews(job, first, *OpenJobSource(job));
    job.TakeViews(first.schema());
    setup = SetUpTraining(job, ranks);
    targets = MakeStoredTargets(stores, *setup.views, setup.targets);
  } else if (job.train.labels == "hard") {
    setup = SetUpTraining(job, ranks);
    targets = MakeHardTargets(*setup.views, setup.targets);
    job.train.alpha = 0;
  } else if (job.train.labels == "teacher") {
    setup = SetUpTraining(job, ranks);
    targets = teacher.emplace(job, setup).MakeTargets(job, setup);
  } else {
    Fail(ErrorCode::kInvalidArgument, "{}: train.labels is '{}', but must be 'store', 'hard' or 'teacher'", job.path,
         job.train.labels);
  }
  setup.network.num_classes = targets->num_classes();
  Progress progress;
  const TrainHooks hooks = {
      .stop_requested = StopRequested,
      .epoch_done =
          [&](const EpochReport& epoch) {
            if (ranks.rank == 0) progress.Show(EpochLine(job, epoch));
          },
  };
  const TrainReport report = Train(setup.network, job.train, *targets, *setup.test_views, hooks, ranks);
  progress.Finish();
  if (ranks.rank == 0) Print(job, report, options.json);
  return 0;
}

int TrainCommand(const Options& options, const std::vector<std::string>& overrides) {
  InstallStopSignals();
  const Job job = ReadJob(options.job, overrides);
  const std::unique_ptr<LockstepRanks> ranks = JoinRanks(job.train.wait_seconds);
  if (!ranks) return TrainOnRank(options, job, {});
  int exit_code = 0;
  try {
    exit_code = TrainOnRank(options, job,
                            {.rank = static_cast<uint32_t>(ranks->rank()),
                             .size = static_cast<uint32_t>(ranks->size()),
                             .sum = [&ranks](std::span<float> numbers) { ranks->Sum(numbers); }});
  } catch (const Error& error) {
    exit_code = ExitCode(error.code());
    const bool all_stopped = error.code() == ErrorCode::kCancelled;
    if (all_stopped && ranks->rank() == 0) throw;
    if (!all_stopped) {
      fmt::print(stderr, "decant: rank {} of {}: {}\n", ranks->rank(), ranks->size(), error.what());
      std::fflush(nullptr);
      ranks->Abort(exit_code);
    }
  }
  return exit_code;
}

}  // namespace

TrainingSetup SetUpTraining(const Job& job, const TrainRanks& ranks) {
  for (const char* key : {"data.path", "train.checkpoint"}) job.Require(key);
  TrainingSetup setup;
  if (ranks.size > job.train.batch_size) {
    Fail(ErrorCode::kInvalidArgument, "{}: train.batch_size {} for {} ranks; expected a sample for each", job.path,
         job.train.batch_size, ranks.size);
  }
  setup.train = OpenImageSource(job.data);
  SourceOptions test = job.data;
  test.split = job.data.test_split;
  setup.test = OpenImageSource(test);
  const ImageShape shape = ViewShape(job, "student.image_size", job.student.image_size, *setup.train);
  if (job.views.crop == "none" && setup.test->image_shape() != setup.train->image_shape()) {
    Fail(ErrorCode::kMismatch, "{}: the images of '{}' and '{}' have different shapes", job.data.path, job.data.split,
         job.data.test_split);
  }
  setup.views = std::make_unique<ViewRenderer>(MakeImageViews(job, *setup.train, shape));
  setup.test_views = std::make_unique<ViewRenderer>(*setup.test, TestViews(job.views), OrderKind::kDataset, 0, shape);
  setup.network = job.student;
  setup.network.height = shape.height;
  setup.network.width = shape.width;
  setup.network.channels = shape.channels;
  setup.network.num_classes = setup.train->num_classes();
  setup.targets = {.num_epochs = job.train.num_epochs,
                   .batch_size = job.train.batch_size,
                   .rank = ranks.rank,
                   .world_size = ranks.size,
                   .wait_seconds = job.train.wait_seconds};
  return setup;
}

Command AddTrain(CLI::App& program) {
  CLI::App* app = program.add_subcommand(
      "train", "Trains a student from a store, or on hard labels; continues from its checkpoint");
  const auto options = std::make_shared<Options>();
  app->add_option("job", options->job, "The job file (TOML)")->required();
  app->add_flag("--json", options->json, "Print one JSON object at the end");
  app->allow_extras();
  app->footer("Every key of the job file can also be given as --section.key=value. Keys: docs/job.md");
  return {app, [app, options] { return TrainCommand(*options, app->remaining()); }};
}

}  // namespace decant
