#include "labelling.h"

#include <algorithm>

#include "decant/base/error.h"
#include "decant/cluster/slurm.h"

namespace decant {
namespace {

constexpr uint32_t kMostThreads = 256;
constexpr uint32_t kReplicasOnGpu = 2;  // one copies while the other computes
constexpr uint32_t kMostDecodeThreadsOfGpu = 16;

void SetUpImages(const Job& job, const ImageSource& source, LabellingSetup* setup) {
  const ImageShape shape = TeacherShape(job, source);
  setup->views = std::make_unique<ViewRenderer>(MakeImageViews(job, source, shape));
  setup->renderer = MakeImageBatchRenderer(*setup->views);
  setup->schema.views = setup->views->Identity()["views"];
}

void SetUpTokens(const Job& job, const TokenSource& source, LabellingSetup* setup) {
  setup->token_views = std::make_unique<TokenViewer>(MakeTokenViews(job, source, setup->teacher->num_classes()));
  setup->renderer = MakeTokenBatchRenderer(*setup->token_views);
  setup->schema.views = setup->token_views->Identity()["views"];
}

}  // namespace

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
  setup.schema = MakeSchema(job, *setup.source, setup.teacher->num_classes(), setup.teacher->Identity());
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
