#include "verify_teacher.h"

#include <algorithm>
#include <map>

#include "decant/base/error.h"

#include "labelling.h"

namespace decant {
namespace {

// Positions by epoch.
using Places = std::map<uint32_t, std::vector<uint64_t>>;

// Places of about `num_labels` labels, evenly spread over the committed ones that are still there.
Places SpreadPlaces(const StoreReader& store, uint64_t num_labels) {
  const Layout& layout = store.schema().layout;
  std::vector<Span> spans;
  std::vector<uint64_t> ends;  // of the spans' samples, counted through
  uint64_t labels_there = 0;
  for (uint64_t index = 0; index < layout.num_spans(); ++index) {
    const Span span = layout.SpanAt(index);
    if (!store.ledger()[index] || store.expired(span.epoch)) continue;
    const uint64_t last = std::min(span.chunk_end * layout.chunk_size, layout.num_samples);
    spans.push_back(span);
    labels_there += store.ledger()[index]->num_labels;
    ends.push_back((ends.empty() ? 0 : ends.back()) + last - span.chunk_begin * layout.chunk_size);
  }
  if (spans.empty()) Fail(ErrorCode::kNotFound, "{}: no labels yet", store.path());
  const uint64_t total = ends.back();
  Places places;
  const uint64_t labels_of_place = std::max<uint64_t>(1, labels_there / total);  // of a window, many
  const uint64_t num_places = std::min(std::max<uint64_t>(1, num_labels / labels_of_place), total);
  for (uint64_t i = 0; i < num_places; ++i) {
    const uint64_t place = i * (total / num_places) + i * (total % num_places) / num_places;
    const auto index = static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), place) - ends.begin());
    const uint64_t begin = index == 0 ? 0 : ends[index - 1];
    places[spans[index].epoch].push_back(spans[index].chunk_begin * layout.chunk_size + place - begin);
  }
  return places;
}

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
