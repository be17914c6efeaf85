#include "verify_teacher.h"

#include "decant/base/error.h"

#include "labelling.h"
#include "spread_places.h"

namespace decant {
namespace {

// What a teacher says of the views at `places`.
LabelBatch AskTeacher(const Job& job, const LabellingSetup& setup, const Places& places) {
  SpanLabeller labeller(setup.schema, *setup.renderer, *setup.teacher, job.produce, "verify");
  LabelBatch labels;
  for (const auto& [epoch, positions] : places) labeller.LabelPositions(epoch, positions, &labels);
  return labels;
}

// The same on batches of another size; of the same one where the network takes no other, as some traced ones do.
LabelBatch AskAgain(const Job& job, LabellingSetup* setup, const Places& places) {
  Job other = job;
  other.teacher.batch_size = job.teacher.batch_size == 1 ? 2 : job.teacher.batch_size - 1;
  setup->teacher.reset();  // makes room for the next
  try {
    setup->teacher = MakeTeacher(other, *setup->source);
  } catch (const Error&) {
    setup->teacher = MakeTeacher(job, *setup->source);
  }
  return AskTeacher(job, *setup, places);
}

void RequireComparable(const StoreReader& store, const Schema& job) {
  const Schema& schema = store.schema();
  if (schema.layout.num_samples != job.layout.num_samples || schema.codec.num_classes != job.codec.num_classes) {
    Fail(ErrorCode::kMismatch,
         "{} has labels of {} samples and {} classes, the job's dataset has {} samples and its "
         "teacher {} classes",
         store.path(), schema.layout.num_samples, schema.codec.num_classes, job.layout.num_samples,
         job.codec.num_classes);
  }
}

}  // namespace

TeacherCheck CheckTeacher(const std::string& store_path, const std::string& job_path,
                          const std::vector<std::string>& overrides, uint64_t num_labels) {
  const StoreReader store(store_path);
  Job job = ReadLabellingJob(job_path, overrides);
  job.labels.store = store_path;
  auto source = OpenJobSource(job);
  job = WithViewsFrom(job, *source);
  LabellingSetup setup = SetUpLabelling(job, std::move(source));
  RequireComparable(store, setup.schema);
  TeacherCheck check;
  // Labels are selected as the store's were; who the teacher is and what it is shown is the job's.
  Schema schema = store.schema();
  for (const auto field : {&Schema::dataset, &Schema::views, &Schema::order, &Schema::teacher}) {
    schema.*field = setup.schema.*field;
  }
  schema.seed = setup.schema.seed;
  for (const SchemaDifference& difference : CompareSchemas(store.schema(), schema)) {
    check.differences.push_back(
        fmt::format("{}: expected {}, found {}", difference.field, difference.expected, difference.found));
  }
  setup.schema = schema;

  const Places places = SpreadPlaces(store, num_labels);
  LabelBatch stored;
  for (const auto& [epoch, positions] : places) {
    for (const uint64_t position : positions) store.ReadLabel(epoch, position, &stored);
  }
  const LabelBatch live = AskTeacher(job, setup, places);
  check.stored = Compare(live, stored);

  const LabelBatch again = AskAgain(job, &setup, places);
  const LabelCodes codes = store.codec().Quantise(again);
  LabelBatch control;
  store.codec().Dequantise(codes, 0, codes.size(), &control);
  check.control = Compare(live, control);
  check.disagreements = Disagreements(check.stored, check.control);
  return check;
}

}  // namespace decant
