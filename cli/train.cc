#include "train.h"

#include <cstdio>

#include "decant/store/store_reader.h"

#include "command.h"
#include "console.h"
#include "labelling.h"
#include "signals.h"

namespace decant {
namespace {

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
  return fmt::format("{}: epoch {} of {}, loss {:.4f}, test accuracy {:.2f} %", job.train.checkpoint, epoch.epoch,
                     job.train.num_epochs, epoch.train_loss, 100 * epoch.test_accuracy);
}

void Print(const Job& job, const TrainReport& report, bool json) {
  if (json) {
    const nlohmann::ordered_json object = {
        {"checkpoint", job.train.checkpoint},   {"labels", job.train.labels}, {"test_accuracy", report.test_accuracy},
        {"parameters", report.num_parameters},  {"steps", report.num_steps},  {"epochs_resumed", report.epochs_resumed},
        {"train_seconds", report.train_seconds}};
    fmt::print("{}\n", object.dump(2));
    return;
  }
  fmt::print("{}: test accuracy {:.2f} %, {} parameters, {} steps, {:.1f} s of training\n", job.train.checkpoint,
             100 * report.test_accuracy, Grouped(report.num_parameters), Grouped(report.num_steps),
             report.train_seconds);
}

int TrainCommand(const Options& options, const std::vector<std::string>& overrides) {
  InstallStopSignals();
  const Job job = ReadJob(options.job, overrides);
  TrainingSetup setup;
  std::unique_ptr<Targets> targets;
  if (job.train.labels == "store") {
    job.Require("labels.store");
    job.Require("data.path");
    const auto store = std::make_shared<StoreReader>(job.labels.store);
    RequireStoreViews(job, *store, *OpenJobSource(job));
    Job with_views = job;
    with_views.TakeViews(store->schema());
    setup = SetUpTraining(with_views);
    targets = MakeStoredTargets(store, *setup.views, setup.targets);
  } else if (job.train.labels == "hard") {
    setup = SetUpTraining(job);
    targets = MakeHardTargets(*setup.views, setup.targets);
  } else {
    Fail(ErrorCode::kInvalidArgument, "{}: train.labels is '{}', but must be 'store' or 'hard'", job.path,
         job.train.labels);
  }
  setup.network.num_classes = targets->num_classes();
  Progress progress;
  const TrainHooks hooks = {
      .stop_requested = StopRequested,
      .epoch_done = [&](const EpochReport& epoch) { progress.Show(EpochLine(job, epoch)); },
  };
  const TrainReport report = Train(setup.network, job.train, *targets, *setup.test_views, hooks);
  progress.Finish();
  Print(job, report, options.json);
  return 0;
}

}  // namespace

TrainingSetup SetUpTraining(const Job& job) {
  for (const char* key : {"data.path", "train.checkpoint"}) job.Require(key);
  TrainingSetup setup;
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
  setup.targets = {.num_epochs = job.train.num_epochs, .batch_size = job.train.batch_size};
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
