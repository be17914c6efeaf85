#include "labelling.h"

#include <algorithm>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/cluster/slurm.h"
#include "decant/store/store_reader.h"

#include "class_names.h"

namespace decant {
namespace {

constexpr uint32_t kMostThreads = 256;
constexpr uint32_t kReplicasOnGpu = 2;  // one copies while the other computes
constexpr uint32_t kMostDecodeThreadsOfGpu = 16;

void RequireViewsThatFit(const Job& job, const ImageSource& source, const ImageShape& shape) {
  if (job.views.crop != "none" || source.image_shape() == shape) return;
  const std::string found = source.image_shape()
                                ? fmt::format("{} x {}", source.image_shape()->height, source.image_shape()->width)
                                : "many sizes";
  Fail(ErrorCode::kInvalidArgument,
       "{}: the network takes images of {} x {}, the dataset has {}; set views.crop to \"center\", \"random\" or "
       "\"squash\"",
       job.path, shape.height, shape.width, found);
}

nlohmann::json TeacherIdentity(const Job& job, const Teacher& teacher) {
  nlohmann::json identity = teacher.Identity();
  // What the classes mean: labels of the same teacher with other names are other labels.
  if (const std::string& path = job.teacher.class_names; !path.empty()) {
    identity["class_names"] = ReadClassNames(path, teacher.num_classes()).digest;
  }
  if (const std::string& path = job.teacher.tokenizer; !path.empty()) {
    identity["tokenizer"] = "sha256:" + Sha256HexOfFile(path);
  }
  return identity;
}

Schema MakeSchema(const Job& job, const Source& source, const Teacher& teacher) {
  Schema schema;
  schema.layout = {.num_samples = source.num_samples(),
                   .num_epochs = job.labels.epochs,
                   .chunk_size = job.labels.chunk_size,
                   .span_chunks = job.labels.span_chunks};
  schema.codec = {.num_classes = teacher.num_classes(),
                  .k = job.labels.k,
                  .values = ParseValues(job.labels.values),
                  .delta = job.labels.delta,
                  .max_delta = job.labels.max_delta,
                  .temperatures = job.labels.temperatures,
                  .true_label = job.labels.true_label,
                  .view_fingerprints = job.labels.view_fingerprints};
  schema.selection = {.kind = ParseSelection(job.labels.selection), .p = job.labels.p};
  schema.calibration = {.num_labels = job.labels.calibration_labels, .prior = ParsePrior(job.labels.prior)};
  schema.seed = job.views.seed;
  schema.dataset = source.Identity();
  schema.order = OrderIdentity(job.views.order_spec());
  schema.teacher = TeacherIdentity(job, teacher);
  return schema;
}

void SetUpImages(const Job& job, const ImageSource& source, LabellingSetup* setup) {
  const ImageShape shape = TeacherShape(job, source);
  setup->views = std::make_unique<ViewRenderer>(MakeImageViews(job, source, shape));
  setup->renderer = MakeImageBatchRenderer(*setup->views);
  setup->schema.views = setup->views->Identity()["views"];
}

void SetUpTokens(const Job& job, const TokenSource& source, LabellingSetup* setup) {
  setup->token_views = std::make_unique<TokenViewer>(MakeTokenViews(job, source, setup->teacher->num_classes()));
  setup->renderer = MakeTokenBatchRenderer(*setup->token_views);
  setup->schema.codec.windows = true;
  setup->schema.views = setup->token_views->Identity()["views"];
}

}  // namespace

// What a second teacher of an ensemble is shown.
Job WithViewsFrom(const Job& job, const Source& source) {
  if (job.views.from.empty()) return job;
  for (const std::string& key : job.given) {
    if (key.starts_with("views.") && key != "views.from") {
      Fail(ErrorCode::kInvalidArgument, "{}: {} and views.from are both given; the views of {} are taken as they are",
           job.path, key, job.views.from);
    }
  }
  const StoreReader store(job.views.from);
  Schema wanted = store.schema();
  wanted.dataset = source.Identity();
  for (const SchemaDifference& difference : CompareSchemas(store.schema(), wanted)) {
    Fail(ErrorCode::kMismatch, "views.from {}: its views are of another dataset: {}: expected {}, found {}",
         job.views.from, difference.field, difference.expected, difference.found);
  }
  Job resolved = job;
  resolved.TakeViews(store.schema());
  return resolved;
}

ViewRenderer MakeImageViews(const Job& job, const ImageSource& source, const ImageShape& shape) {
  RequireViewsThatFit(job, source, shape);
  ViewSpec spec = job.views;
  if (spec.size[0] == 0) spec.size = {shape.height, shape.width};
  return ViewRenderer(source, spec, job.views.order_spec(), job.views.seed, shape);
}

TokenViewer MakeTokenViews(const Job& job, const TokenSource& source, uint32_t num_classes) {
  TokenViewSpec spec = job.views.tokens;
  if (spec.vocabulary == 0) spec.vocabulary = num_classes;
  return TokenViewer(source, spec, job.views.order_spec(), job.views.seed);
}

Job ReadLabellingJob(const std::string& path, const std::vector<std::string>& overrides) {
  Job job = ReadJob(path, overrides);
  for (const char* key : {"data.path", "teacher.path", "labels.store"}) job.Require(key);
  ResolveThreads(job.teacher, AllowedCores().of_rank, &job.produce);
  return job;
}

void ResolveThreads(const TeacherOptions& teacher, uint32_t cores, PipelineOptions* threads) {
  const bool on_cpu = teacher.device == "cpu";
  if (threads->replicas == 0) {
    threads->replicas = on_cpu ? std::clamp(cores / std::max(1u, teacher.threads), 1u, kMostThreads) : kReplicasOnGpu;
  }
  if (threads->decode_threads == 0) {
    threads->decode_threads =
        on_cpu ? std::max(1u, threads->replicas / 2) : std::clamp(cores - 1, 1u, kMostDecodeThreadsOfGpu);
  }
}

std::unique_ptr<Source> OpenJobSource(const Job& job) {
  job.Require("data.path");
  return OpenSource(job.data);
}

ImageShape ViewShape(const Job& job, const char* key, const std::vector<uint32_t>& size, const ImageSource& source) {
  if (size.size() > 2) {
    Fail(ErrorCode::kInvalidArgument, "{}: {} has {} numbers; expected one, or height and width", job.path, key,
         size.size());
  }
  if (!size.empty()) return {.height = size.front(), .width = size.back(), .channels = source.channels()};
  const auto& views = job.views.size;
  if (views[0] > 0) return {.height = views[0], .width = views[1], .channels = source.channels()};
  if (source.image_shape()) return *source.image_shape();
  Fail(ErrorCode::kInvalidArgument, "{}: the images have many sizes; set {} to the size that the network takes",
       job.path, key);
}

ViewSpec TestViews(const ViewSpec& spec) {
  ViewSpec test;
  test.size = spec.size;
  test.crop = spec.crop == "random" ? "center" : spec.crop;
  test.crop_share = spec.crop_share;
  test.interpolation = spec.interpolation;
  return test;
}

std::unique_ptr<Teacher> MakeTeacher(const Job& job, const Source& source) {
  job.Require("teacher.path");
  TeacherInput input;
  if (const auto* images = dynamic_cast<const ImageSource*>(&source)) input.image = TeacherShape(job, *images);
  if (const auto* tokens = dynamic_cast<const TokenSource*>(&source)) input.tokens = tokens->max_tokens();
  return std::make_unique<Teacher>(job.teacher, input);
}

LabellingSetup SetUpLabelling(const Job& job, std::unique_ptr<Source> source) {
  LabellingSetup setup;
  setup.source = std::move(source);
  setup.teacher = MakeTeacher(job, *setup.source);
  setup.schema = MakeSchema(job, *setup.source, *setup.teacher);
  if (const auto* images = dynamic_cast<const ImageSource*>(setup.source.get())) SetUpImages(job, *images, &setup);
  if (const auto* tokens = dynamic_cast<const TokenSource*>(setup.source.get())) SetUpTokens(job, *tokens, &setup);
  ValidateSchema(setup.schema);
  return setup;
}

double TeacherAccuracy(const Job& job, const LabellingSetup& setup) {
  constexpr uint64_t kMostSamples = 10'000;
  if (!setup.views) Fail(ErrorCode::kInvalidArgument, "{}: teacher.min_accuracy is for images", job.path);
  SourceOptions options = job.data;
  options.split = job.data.test_split;
  const auto test = OpenImageSource(options);
  if (test->num_classes() == 0) {
    Fail(ErrorCode::kInvalidArgument, "{}: teacher.min_accuracy: the samples of data.test_split '{}' have no classes",
         job.path, options.split);
  }
  const ViewRenderer views(*test, TestViews(job.views), OrderKind::kDataset, 0, setup.views->shape());
  const auto renderer = MakeImageBatchRenderer(views);
  Schema schema;
  schema.codec = {.num_classes = setup.schema.codec.num_classes, .k = 1};
  LabelPipeline pipeline(schema, *renderer, *setup.teacher, job.produce, nullptr);
  const uint64_t count = std::min(kMostSamples, test->num_samples());
  std::vector<BatchPlan> plans;
  std::vector<uint64_t> samples;
  for (uint64_t i = 0; i < count; ++i) {
    samples.push_back(i * test->num_samples() / count);
    if (i % job.teacher.batch_size == 0) plans.emplace_back();
    plans.back().positions.push_back(samples.back());
  }
  const size_t num_batches = plans.size();
  pipeline.Plan(std::move(plans));
  LabelBatch labels;
  for (size_t i = 0; i < num_batches; ++i) pipeline.Next(&labels);
  uint64_t num_right = 0;
  for (uint64_t i = 0; i < count; ++i) num_right += labels.ids[i] == test->Label(samples[i]);
  return static_cast<double>(num_right) / static_cast<double>(count);
}

}  // namespace decant
