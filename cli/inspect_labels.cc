#include "inspect_labels.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "decant/base/error.h"
#include "decant/data/open_source.h"
#include "decant/data/order.h"
#include "decant/store/label_statistics.h"

#include "console.h"
#include "job_dataset.h"

namespace decant {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxChunks = 1000;
constexpr uint64_t kMaxEntries = 10'000'000;

std::unique_ptr<ImageSource> OpenLabelledSource(const StoreReader& store, const std::string& data,
                                                const std::string& split) {
  const Schema& schema = store.schema();
  Job job;
  job.data.path = data;
  if (!split.empty()) {
    job.data.split = split;
    job.given = {"data.split"};
  }
  TakeDatasetOptions(schema.dataset, &job);
  auto source = OpenImageSource(job.data);
  Schema found;
  found.dataset = source->Identity();
  Schema expected;
  expected.dataset = schema.dataset;
  std::string text;
  for (const SchemaDifference& field : CompareSchemas(expected, found)) {
    text += fmt::format("; {}: expected {}, found {}", field.field, field.expected, field.found);
  }
  if (!text.empty()) Fail(ErrorCode::kMismatch, "{} is not what {} was labelled from{}", data, store.path(), text);
  return source;
}

Json HistogramJson(const Histogram& histogram, uint64_t num_labels) {
  return {{"mean", histogram.sum / static_cast<double>(std::max<uint64_t>(1, num_labels))},
          {"edges", histogram.edges},
          {"counts", histogram.counts}};
}

void PrintHistogram(const char* title, const Json& histogram) {
  constexpr double kBarWidth = 40;
  const auto counts = histogram["counts"].get<std::vector<uint64_t>>();
  const auto edges = histogram["edges"].get<std::vector<double>>();
  const uint64_t largest = std::max<uint64_t>(1, *std::max_element(counts.begin(), counts.end()));
  uint64_t total = 0;
  for (const uint64_t count : counts) total += count;
  fmt::print("  {}, mean {:.4g}\n", title, histogram["mean"].get<double>());
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    const auto width = static_cast<size_t>(kBarWidth * static_cast<double>(counts[i]) / static_cast<double>(largest));
    fmt::print("    {:>9.4g} to {:>9.4g}  {:>6.2f} %  {}\n", edges[i], edges[i + 1],
               100 * static_cast<double>(counts[i]) / static_cast<double>(total), std::string(width, '#'));
  }
}

}  // namespace

Json StatisticsJson(const StoreReader& store, const std::string& data, const std::string& split) {
  std::unique_ptr<ImageSource> source;
  TrueClass true_class;
  if (!data.empty()) {
    source = OpenLabelledSource(store, data, split);
    const Schema& schema = store.schema();
    true_class = [&source, &schema, spec = OrderFromIdentity(schema.order)](uint32_t epoch, uint64_t position) {
      return source->Label(Order(spec, schema.seed, epoch, schema.layout.num_samples).SampleAt(position));
    };
  }
  const LabelStatistics statistics = SampleStatistics(store, kMaxChunks, kMaxEntries, true_class);
  const auto num_labels = static_cast<double>(std::max<uint64_t>(1, statistics.num_labels));
  Json columns = Json::object();
  for (const auto& [name, bytes] : statistics.column_bytes) columns[name] = bytes / num_labels;
  Json object = {{"chunks", statistics.num_chunks},
                 {"labels", statistics.num_labels},
                 {"bytes_per_label", columns},
                 {"entropy", HistogramJson(statistics.entropy, statistics.num_labels)},
                 {"entries", HistogramJson(statistics.entries, statistics.num_labels)},
                 {"tail_mass", HistogramJson(statistics.tail_mass, statistics.num_labels)},
                 {"top_prob", HistogramJson(statistics.top_prob, statistics.num_labels)}};
  if (true_class) object["top_1_agreement"] = static_cast<double>(statistics.num_agreeing) / num_labels;
  return object;
}

void PrintStatistics(const Json& statistics) {
  if (statistics["labels"] == 0) return;
  fmt::print("of {} labels in {} chunks:\n  bytes a label ", Grouped(statistics["labels"]),
             Grouped(statistics["chunks"]));
  for (const auto& [name, bytes] : statistics["bytes_per_label"].items()) {
    fmt::print(" {} {:.2f}", name, bytes.get<double>());
  }
  fmt::print("\n");
  PrintHistogram("entropy (nats)", statistics["entropy"]);
  PrintHistogram("entries", statistics["entries"]);
  PrintHistogram("tail mass", statistics["tail_mass"]);
  PrintHistogram("largest probability", statistics["top_prob"]);
  if (!statistics.contains("top_1_agreement")) return;
  fmt::print("  the likeliest class is the true one in {:.2f} %\n", 100 * statistics["top_1_agreement"].get<double>());
}

}  // namespace decant
