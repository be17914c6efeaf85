#include "job_dataset.h"

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/store/store_reader.h"

#include "class_names.h"

namespace decant {
namespace {

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

// What the classes mean: labels of the same teacher with other names are other labels.
nlohmann::json WithNames(const Job& job, uint32_t num_classes, nlohmann::json identity) {
  if (const std::string& path = job.teacher.class_names; !path.empty()) {
    identity["class_names"] = ReadClassNames(path, num_classes).digest;
  }
  if (const std::string& path = job.teacher.tokenizer; !path.empty()) {
    identity["tokenizer"] = "sha256:" + Sha256HexOfFile(path);
  }
  return identity;
}

}  // namespace

void TakeDatasetOptions(const nlohmann::json& dataset, Job* job) {
  const auto take = [&](const char* key, auto* option) {
    if (!job->given.contains(std::string("data.") + key)) *option = dataset.value(key, *option);
  };
  take("split", &job->data.split);
  take("channels", &job->data.channels);
  take("min_side", &job->data.min_side);
  take("window", &job->data.window);
  if (!job->given.contains("data.fingerprint") && dataset.value("fingerprint", "").starts_with("content-")) {
    job->data.fingerprint = "content";
  }
  if (!job->given.contains("data.undecodable") && dataset.contains("left_out")) job->data.undecodable = "skip";
}

std::unique_ptr<Source> OpenJobSource(const Job& job) {
  job.Require("data.path");
  return OpenSource(job.data);
}

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

Schema MakeSchema(const Job& job, const Source& source, uint32_t num_classes, const nlohmann::json& teacher) {
  Schema schema;
  schema.layout = {.num_samples = source.num_samples(),
                   .num_epochs = job.labels.epochs,
                   .chunk_size = job.labels.chunk_size,
                   .span_chunks = job.labels.span_chunks};
  schema.codec = {.num_classes = num_classes,
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
  schema.teacher = WithNames(job, num_classes, teacher);
  schema.codec.windows = dynamic_cast<const TokenSource*>(&source) != nullptr;
  return schema;
}

}  // namespace decant
