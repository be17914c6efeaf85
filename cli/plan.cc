#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "decant/producer/label_adviser.h"

#include "command.h"
#include "console.h"
#include "labelling.h"

namespace decant {
namespace {

using Json = nlohmann::ordered_json;

// What RocksDB adds: to each span's file footer, index, properties, trailer and an entry in its list of files; to the
// store its options, the schema and the seal.
constexpr uint64_t kFileBytes = 1300;
constexpr uint64_t kStoreBytes = 40'000;
constexpr double kFingerprintBytes = 2;  // a sample

// Logits that are kept to measure with, at most: 1 GiB.
constexpr uint64_t kMostNumbers = uint64_t{1} << 28;

struct Options {
  std::string job;
  uint64_t views = 1024;
  int ranks = 1;
  bool json = false;
};

// Logits of views that are evenly spread over epoch 0.
struct TeacherSample {
  std::vector<float> logits;  // [views.size(), num_classes]
  std::vector<SelectedView> views;
  uint64_t num_samples = 0;
  double seconds = 0;
};

TeacherSample AskTeacher(const LabellingSetup& setup, uint64_t num_views) {
  const uint64_t num_samples = setup.source->num_samples();
  const auto* tokens = dynamic_cast<const TokenSource*>(setup.source.get());
  const uint64_t numbers_of_view = uint64_t{setup.schema.codec.num_classes} * (tokens ? tokens->max_tokens() : 1);
  const uint64_t count = std::min(num_views, std::max<uint64_t>(2, kMostNumbers / numbers_of_view));
  TeacherSample sample;
  TeacherBatch batch;
  std::vector<float> logits;
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < count;) {
    std::vector<uint64_t> positions;
    for (; i < count && positions.size() < setup.teacher->batch_size(); ++i) {
      positions.push_back(i * num_samples / count);
    }
    setup.renderer->Render(0, positions, {&batch, 1});
    TeacherBatchLogits(*setup.teacher, batch, &logits);
    sample.logits.insert(sample.logits.end(), logits.begin(), logits.end());
    const std::vector<SelectedView> views = LabelledViews(batch);
    sample.views.insert(sample.views.end(), views.begin(), views.end());
  }
  sample.num_samples = count;
  sample.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return sample;
}

double SpanSeconds(const Layout& layout, uint32_t span_chunks, double labels_per_second) {
  const uint64_t samples = std::min(uint64_t{layout.chunk_size} * span_chunks, layout.num_samples);
  return static_cast<double>(samples) / labels_per_second;
}

uint64_t NumSpans(Layout layout, uint32_t span_chunks) {
  layout.span_chunks = span_chunks;
  return layout.num_spans();
}

// A span is what a dying rank loses, and a file. So about a minute of a rank's work, less where ranks would get only a
// few, and a few thousand files at most.
uint32_t ProposeSpanChunks(const Layout& layout, double labels_per_second, int num_ranks) {
  constexpr double kSeconds = 60;
  constexpr uint64_t kSpansOfRank = 20;
  constexpr uint64_t kMostFiles = 4000;
  const auto total = static_cast<double>(layout.chunks_per_epoch() * layout.num_epochs);
  const double chunks = std::min(kSeconds * labels_per_second / layout.chunk_size,
                                 total / static_cast<double>(kSpansOfRank * static_cast<uint64_t>(num_ranks)));
  auto proposed =
      static_cast<uint32_t>(std::clamp(std::round(chunks), 1.0, static_cast<double>(layout.chunks_per_epoch())));
  while (proposed < layout.chunks_per_epoch() && NumSpans(layout, proposed) > kMostFiles) ++proposed;
  return proposed;
}

std::string Duration(double hours) {
  if (hours >= 2) return fmt::format("{:.1f} hours", hours);
  if (hours >= 2.0 / 60) return fmt::format("{:.1f} minutes", 60 * hours);
  return fmt::format("{:.{}f} seconds", 3600 * hours, 3600 * hours < 1 ? 3 : 1);
}

std::string Describe(const Selection& selection, uint32_t k) {
  switch (selection.kind) {
    case Selection::kTopK:
      return fmt::format("top {}", k);
    case Selection::kTopP:
      return fmt::format("{:.4g} %, at most {}", 100 * selection.p, k);
    case Selection::kSample:
      return fmt::format("sample {}", k);
  }
  return "";
}

Json CostJson(const LabelCost& cost, uint64_t num_labels, uint64_t num_spans) {
  const char* const kinds[] = {"top_k", "top_p", "sample"};
  Json object = {{"selection", kinds[cost.selection.kind]}, {"k", cost.k}};
  if (cost.selection.kind == Selection::kTopP) object["p"] = cost.selection.p;
  object["coverage_mean"] = cost.coverage_mean;
  object["coverage_p5"] = cost.coverage_p5;
  object["kl_mean"] = std::isfinite(cost.kl_mean) ? Json(cost.kl_mean) : Json();
  object["entries_per_label"] = cost.entries_per_label;
  object["bytes_per_label"] = cost.bytes_per_label;
  object["bytes"] = static_cast<uint64_t>(cost.bytes_per_label * static_cast<double>(num_labels)) +
                    kFileBytes * num_spans + kStoreBytes;
  return object;
}

void PrintCost(const std::string& name, const Json& cost) {
  const Json& kl = cost["kl_mean"];
  fmt::print("  {:<20} {:>8.4f} {:>8.4f}  {:>8}  {:>8.2f}  {:>8.2f}  {:>18}\n", name,
             cost["coverage_mean"].get<double>(), cost["coverage_p5"].get<double>(),
             kl.is_null() ? "-" : fmt::format("{:.5f}", kl.get<double>()), cost["entries_per_label"].get<double>(),
             cost["bytes_per_label"].get<double>(), Grouped(cost["bytes"]));
}

int Plan(const Options& options, const std::vector<std::string>& overrides) {
  const Job given = ReadLabellingJob(options.job, overrides);
  auto source = OpenJobSource(given);
  const Job job = WithViewsFrom(given, *source);
  const LabellingSetup setup = SetUpLabelling(job, std::move(source));
  const Schema& schema = setup.schema;
  const Layout& layout = schema.layout;
  const TeacherSample sample = AskTeacher(setup, std::min<uint64_t>(options.views, layout.num_samples));
  const double labels_per_sample = static_cast<double>(sample.views.size()) / static_cast<double>(sample.num_samples);
  const uint64_t num_labels = static_cast<uint64_t>(labels_per_sample * static_cast<double>(layout.num_labels()) + 0.5);
  const auto measure = [&](const Selection& selection, uint32_t k) {
    CodecParams params = schema.codec;
    params.k = k;
    params.windows = false;
    params.view_fingerprints = false;
    LabelCost cost =
        MeasureLabels(params, selection, schema.calibration.prior, schema.seed, sample.logits, sample.views);
    if (schema.codec.view_fingerprints) cost.bytes_per_label += kFingerprintBytes / labels_per_sample;
    return cost;
  };

  // A rank runs its replicas side by side.
  const double rate = job.produce.replicas * static_cast<double>(sample.num_samples) / sample.seconds;
  Json object = CostJson(measure(schema.selection, schema.codec.k), num_labels, layout.num_spans());
  object["labels"] = num_labels;
  object["spans"] = layout.num_spans();
  object["files"] = layout.num_spans() + 1;
  object["views"] = sample.num_samples;
  object["labels_per_second"] = rate;
  object["span_seconds"] = SpanSeconds(layout, layout.span_chunks, rate);
  const uint32_t span_chunks = ProposeSpanChunks(layout, rate, options.ranks);
  object["proposed_span_chunks"] = span_chunks;
  object["ranks"] = options.ranks;
  object["hours"] = static_cast<double>(layout.num_labels()) / rate / options.ranks / 3600;
  Json rows = Json::array();
  std::vector<std::string> names;
  for (const LabelKind& kind : KindsToCompare(schema.codec.num_classes)) {
    rows.push_back(CostJson(measure(kind.selection, kind.k), num_labels, layout.num_spans()));
    names.push_back(Describe(kind.selection, kind.k));
  }
  object["rows"] = rows;
  if (options.json) {
    fmt::print("{}\n", object.dump(2));
    return 0;
  }

  fmt::print("{}: {} labels: {} epochs of {} samples, {} classes\n", job.labels.store, Grouped(num_labels),
             layout.num_epochs, Grouped(layout.num_samples), Grouped(schema.codec.num_classes));
  fmt::print("  spans      {}, a file each, of at most {} labels\n", Grouped(layout.num_spans()),
             Grouped(uint64_t{layout.chunk_size} * layout.span_chunks));
  fmt::print("  each span  {} of one rank; labels.span_chunks = {} makes it {}, in {} files\n",
             Duration(object["span_seconds"].get<double>() / 3600), span_chunks,
             Duration(SpanSeconds(layout, span_chunks, rate) / 3600), Grouped(NumSpans(layout, span_chunks)));
  fmt::print("  size       about {} bytes, {:.2f} a label in chunks\n", Grouped(object["bytes"]),
             object["bytes_per_label"].get<double>());
  fmt::print("  teacher    {:.0f} labels/s: {} with {} {}\n", rate, Duration(object["hours"].get<double>()),
             options.ranks, options.ranks == 1 ? "rank" : "ranks");
  fmt::print("From {} views:\n  {:<20} {:>8} {:>8}  {:>8}  {:>8}  {:>8}  {:>18}\n", Grouped(sample.num_samples),
             "labels", "coverage", "5 %", "KL", "entries", "bytes", "bytes in all");
  PrintCost("this job", object);
  for (size_t i = 0; i < rows.size(); ++i) PrintCost(names[i], rows[i]);
  return 0;
}

}  // namespace

Command AddPlan(CLI::App& program) {
  CLI::App* app =
      program.add_subcommand("plan", "Tells what a job will take, and what other k and p would keep and cost");
  const auto options = std::make_shared<Options>();
  app->add_option("job", options->job, "The job file (TOML)")->required();
  app->add_option("--views", options->views, "Views that the teacher labels for it")
      ->capture_default_str()
      ->check(CLI::Range(2, 1 << 20));
  app->add_option("--ranks", options->ranks, "Ranks that will label")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app->add_flag("--json", options->json, "Print one JSON object");
  app->allow_extras();
  app->footer("Every key of the job file can also be given as --section.key=value. Keys: docs/job.md");
  return {app, [app, options] { return Plan(*options, app->remaining()); }};
}

}  // namespace decant
