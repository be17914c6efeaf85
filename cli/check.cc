#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <unordered_map>

#include "decant/data/external_view.h"
#include "decant/data/token_view.h"
#include "decant/data/view.h"

#include "command.h"
#include "compare_dataset.h"
#include "console.h"

namespace decant {
namespace {

struct Options {
  std::string store;
  std::string dataset;
  uint64_t samples = 4096;
  bool json = false;
};

// How often the stored labels say what is true.
struct Accuracy {
  uint64_t num_labels = 0;
  uint64_t num_top_1 = 0;
  uint64_t num_top_5 = 0;
  std::unordered_map<uint32_t, uint64_t> counts;  // of each true class

  // `ids` of a label, the likeliest first.
  void Add(std::span<const uint32_t> ids, uint32_t true_class) {
    ++num_labels;
    ++counts[true_class];
    const auto top = ids.first(std::min<size_t>(5, ids.size()));
    num_top_1 += !top.empty() && top.front() == true_class;
    num_top_5 += std::ranges::find(top, true_class) != top.end();
  }
  double share(uint64_t count) const { return static_cast<double>(count) / static_cast<double>(num_labels); }
  double top_1() const { return share(num_top_1); }
  // Of who always names the commonest class.
  double baseline() const {
    uint64_t most = 0;
    for (const auto& [id, count] : counts) most = std::max(most, count);
    return share(most);
  }
};

// The class of the sample that most of the view shows.
uint32_t ClassOfView(const Schema& schema, const ImageSource& source, const Order& order, uint32_t epoch,
                     uint64_t position) {
  const uint64_t sample_id = order.SampleAt(position);
  const std::string kind = schema.views.value("kind", "");
  if (kind != "native" && kind != "external") return source.Label(sample_id);
  const Mixing mixing = DrawMixing(MixingFromIdentity(schema.views), schema.seed, epoch, sample_id);
  const bool partner = mixing.mixed && (position ^ 1) < order.num_samples() && mixing.own_share < (1 << 15);
  return source.Label(partner ? order.SampleAt(position ^ 1) : sample_id);
}

Accuracy AccuracyOnImages(const StoreReader& store, const ImageSource& source, const Places& places) {
  const Schema& schema = store.schema();
  Accuracy accuracy;
  if (source.num_classes() == 0) return accuracy;
  LabelBatch labels;
  for (const auto& [epoch, positions] : places) {
    const Order order(OrderFromIdentity(schema.order), schema.seed, epoch, schema.layout.num_samples);
    for (const uint64_t position : positions) {
      labels.Clear();
      store.ReadLabel(epoch, position, &labels);
      labels.SortEntries(EntryOrder::kLikeliestFirst);
      accuracy.Add(labels.LabelIds(0), ClassOfView(schema, source, order, epoch, position));
    }
  }
  return accuracy;
}

// Of the tokens that were to be predicted: those after each position, or those that were masked.
Accuracy AccuracyOnTokens(const StoreReader& store, const TokenSource& source, const Places& places) {
  const Schema& schema = store.schema();
  Accuracy accuracy;
  if (schema.views.value("kind", "") != "tokens") return accuracy;
  const TokenViewer viewer(source, TokenViewSpecFromIdentity(schema.views), OrderFromIdentity(schema.order),
                           schema.seed);
  const uint32_t shift = viewer.masked() ? 0 : 1;
  LabelBatch labels;
  std::vector<uint32_t> tokens;
  for (const auto& [epoch, positions] : places) {
    const Order order = viewer.OrderOf(epoch);
    for (const uint64_t position : positions) {
      labels.Clear();
      store.ReadLabel(epoch, position, &labels);
      labels.SortEntries(EntryOrder::kLikeliestFirst);
      const TokenView view = viewer.ViewAt(order, epoch, position);
      source.ReadTokens(view.sample_id, &tokens);
      const size_t count = std::min(labels.size(), view.positions.size());
      for (size_t i = 0; i < count; ++i) {
        const size_t target = view.positions[i] + shift;
        if (target < tokens.size()) accuracy.Add(labels.LabelIds(i), tokens[target]);
      }
    }
  }
  return accuracy;
}

// Aligned labels of a teacher of these classes are better than naming the commonest class; those of other samples are
// not.
DatasetComparison::Aspect ClassesAspect(const Accuracy& accuracy, uint32_t num_classes, uint32_t num_true_classes) {
  using Outcome = DatasetComparison::Outcome;
  if (accuracy.num_labels == 0) return {"classes", Outcome::kUnknown, "the dataset has no true classes"};
  const double baseline = accuracy.baseline();
  const double error = std::sqrt(baseline * (1 - baseline) / static_cast<double>(accuracy.num_labels));
  const bool better = accuracy.top_1() > baseline + 3 * error;
  std::string text =
      fmt::format("top 1 {:.2f} %, top 5 {:.2f} % of {} labels; the commonest class {:.2f} %", 100 * accuracy.top_1(),
                  100 * accuracy.share(accuracy.num_top_5), Grouped(accuracy.num_labels), 100 * baseline);
  if (better) return {"classes", Outcome::kEqual, text};
  if (num_classes != num_true_classes) {
    text +=
        fmt::format("; the teacher has {} classes, the dataset {}", Grouped(num_classes), Grouped(num_true_classes));
    return {"classes", Outcome::kUnknown, text};
  }
  return {"classes", Outcome::kDiffers, text + "; other samples, other classes, or a teacher that knows nothing"};
}

int Check(const Options& options, const std::vector<std::string>& overrides) {
  const auto begin = std::chrono::steady_clock::now();
  const StoreReader store(options.store);
  const Schema& schema = store.schema();
  const auto source = OpenDatasetOf(store, options.dataset, overrides);
  const Places places = SpreadPlaces(store, options.samples);
  DatasetComparison comparison = CompareDataset(store, *source, places);
  Accuracy accuracy;
  if (schema.layout.num_samples == source->num_samples()) {
    const auto* images = dynamic_cast<const ImageSource*>(source.get());
    const auto* tokens = dynamic_cast<const TokenSource*>(source.get());
    uint32_t num_true_classes = schema.codec.num_classes;  // a token is one of the teacher's classes
    if (images != nullptr && !schema.codec.windows) {
      accuracy = AccuracyOnImages(store, *images, places);
      num_true_classes = images->num_classes();
    } else if (tokens != nullptr && schema.codec.windows) {
      accuracy = AccuracyOnTokens(store, *tokens, places);
    }
    comparison.aspects.push_back(ClassesAspect(accuracy, schema.codec.num_classes, num_true_classes));
  }

  const uint64_t num_spans = schema.layout.num_spans();
  uint32_t num_expired = 0;
  for (uint32_t epoch = 0; epoch < schema.layout.num_epochs; ++epoch) num_expired += store.expired(epoch);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (options.json) {
    nlohmann::ordered_json object = {{"store", options.store},
                                     {"dataset", options.dataset},
                                     {"epochs", schema.layout.num_epochs},
                                     {"epochs_expired", num_expired},
                                     {"spans", num_spans},
                                     {"spans_committed", store.num_committed_spans()},
                                     {"sealed", store.digest().has_value()}};
    if (accuracy.num_labels > 0) {
      object["labels"] = accuracy.num_labels;
      object["top_1"] = accuracy.top_1();
      object["top_5"] = accuracy.share(accuracy.num_top_5);
      object["commonest_class"] = accuracy.baseline();
    }
    object.update(ComparisonJson(comparison));
    object["seconds"] = seconds;
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print("{}: {} of {} spans of {} epochs{}{}\n{} and {}, in {:.1f} s\n", options.store,
               Grouped(store.num_committed_spans()), Grouped(num_spans), schema.layout.num_epochs,
               num_expired > 0 ? fmt::format(", {} expired", num_expired) : "",
               store.digest() ? ", sealed" : ", not sealed", options.store, options.dataset, seconds);
    PrintComparison(comparison);
  }
  return comparison.verdict() == DatasetComparison::Outcome::kEqual ? 0 : ExitCode(ErrorCode::kMismatch);
}

}  // namespace

Command AddCheck(CLI::App& program) {
  CLI::App* app = program.add_subcommand(
      "check", "Tells whether labels are those of a dataset, how often they are right, and how many there are");
  const auto options = std::make_shared<Options>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_option("--dataset", options->dataset, "The dataset: data.path of a job")->required();
  app->add_option("--samples", options->samples, "About so many labels, evenly spread")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
  app->add_flag("--json", options->json, "Print one JSON object");
  app->allow_extras();
  app->footer("Keys of [data] can be given as for produce: --data.window=1024");
  return {app, [app, options] { return Check(*options, app->remaining()); }};
}

}  // namespace decant
