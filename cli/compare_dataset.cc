#include "compare_dataset.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <unordered_set>

#include "decant/data/view_renderer.h"

#include "console.h"
#include "job_dataset.h"

namespace decant {
namespace {

using Outcome = DatasetComparison::Outcome;
using Aspect = DatasetComparison::Aspect;

constexpr auto kMostTime = std::chrono::seconds(40);  // for what must be read from the dataset

const char* ToText(Outcome outcome) {
  if (outcome == Outcome::kEqual) return "equal";
  return outcome == Outcome::kDiffers ? "differs" : "unknown";
}

Aspect CompareCounts(const Layout& layout, const Source& source) {
  const uint64_t found = source.num_samples();
  if (layout.num_samples == found) return {"samples", Outcome::kEqual, Grouped(found)};
  return {"samples", Outcome::kDiffers,
          fmt::format("{} in the store, {} in the dataset", Grouped(layout.num_samples), Grouped(found))};
}

Aspect CompareIdentities(const Schema& schema, const nlohmann::json& identity) {
  constexpr std::array kKinds = {"array", "arrays", "folder", "list", "tar", "tokens", "documents"};
  const std::string kind = schema.dataset.value("kind", "");
  if (std::ranges::find(kKinds, kind) == kKinds.end()) {
    return {"dataset", Outcome::kUnknown,
            fmt::format("the labels are of kind '{}', whose samples were never seen here", kind)};
  }
  Schema found = schema;
  found.dataset = identity;
  std::string text;
  for (const SchemaDifference& difference : CompareSchemas(schema, found)) {
    text += fmt::format("{}{}: expected {}, found {}", text.empty() ? "" : "; ", difference.field, difference.expected,
                        difference.found);
  }
  if (!text.empty()) return {"dataset", Outcome::kDiffers, text};
  return {"dataset", Outcome::kEqual, fmt::format("{}, {}", kind, identity.value("fingerprint", ""))};
}

size_t NumFolders(std::string_view name) {
  return static_cast<size_t>(std::ranges::count(name, '/'));
}

// The last `num_folders` of a name's folders and its file, without ending: of two names, what can be compared.
std::string_view Stem(std::string_view name, size_t num_folders) {
  size_t begin = name.size();
  for (size_t i = 0; i <= num_folders && begin != std::string_view::npos && begin > 0; ++i) {
    begin = name.rfind('/', begin - 1);
  }
  if (begin != std::string_view::npos && begin < name.size() && name[begin] == '/') name.remove_prefix(begin + 1);
  const size_t dot = name.rfind('.');
  const bool has_ending = dot != std::string_view::npos && dot > 0 && name.find('/', dot) == std::string_view::npos;
  return has_ending ? name.substr(0, dot) : name;
}

Aspect CompareNames(const StoreReader& store, const Source& source) {
  const SampleKeys keys = store.ReadSampleKeys();
  if (keys.size() == 0) return {"names", Outcome::kUnknown, "the store has none"};
  if (source.Name(0).empty()) return {"names", Outcome::kUnknown, "the dataset has none"};
  const size_t num_folders = std::min(NumFolders(keys[0]), NumFolders(source.Name(0)));
  const uint64_t common = std::min<uint64_t>(keys.size(), source.num_samples());
  std::string first;  // that differs
  for (uint64_t id = 0; id < common && first.empty(); ++id) {
    const std::string name = source.Name(id);
    if (Stem(keys[id], num_folders) == Stem(name, num_folders)) continue;
    first = fmt::format("sample {} is '{}' in the store, '{}' in the dataset; ", id, keys[id], name);
  }
  const bool equally_many = keys.size() == source.num_samples();
  if (first.empty() && equally_many) return {"names", Outcome::kEqual, fmt::format("all {}", Grouped(keys.size()))};

  std::unordered_set<std::string> names;
  for (uint64_t id = 0; id < source.num_samples(); ++id) names.emplace(Stem(source.Name(id), num_folders));
  uint64_t num_there = 0;
  for (uint64_t id = 0; id < keys.size(); ++id) num_there += names.contains(std::string(Stem(keys[id], num_folders)));
  return {
      "names", Outcome::kDiffers,
      fmt::format("{}{} of the store's {} names are in the dataset{}", first, Grouped(num_there), Grouped(keys.size()),
                  equally_many && num_there == keys.size() ? ": the same samples in another order" : "")};
}

// How many of the samples looked at are the store's.
struct Tally {
  uint64_t num_equal = 0;
  uint64_t num_read = 0;
  std::string first;  // that differs

  void Add(bool equal, uint64_t sample_id, const char* what) {
    ++num_read;
    num_equal += equal;
    if (!equal && first.empty()) first = fmt::format("; the first that differs: {} {}", what, sample_id);
  }
  Aspect Summary(const char* name, const char* of_what) const {
    if (num_read == 0) return {name, Outcome::kUnknown, fmt::format("the store has no {}", of_what)};
    return {name, num_equal == num_read ? Outcome::kEqual : Outcome::kDiffers,
            fmt::format("{} of {} {}{}", Grouped(num_equal), Grouped(num_read), of_what, first)};
  }
};

// Calls `look(epoch, order, position, labels)` for places with their labels while there is time.
template <typename Look>
void ForEachPlace(const StoreReader& store, const Places& places, const Look& look) {
  const Schema& schema = store.schema();
  const auto deadline = std::chrono::steady_clock::now() + kMostTime;
  LabelBatch labels;
  for (const auto& [epoch, positions] : places) {
    const Order order(OrderFromIdentity(schema.order), schema.seed, epoch, schema.layout.num_samples);
    for (const uint64_t position : positions) {
      if (std::chrono::steady_clock::now() > deadline) return;
      labels.Clear();
      store.ReadLabel(epoch, position, &labels);
      look(epoch, order, position, labels);
    }
  }
}

Aspect CompareTokens(const StoreReader& store, const TokenSource& source, const Places& places) {
  Tally tally;
  ForEachPlace(store, places, [&](uint32_t, const Order& order, uint64_t position, const LabelBatch& labels) {
    if (labels.window_hashes.empty()) return;
    const uint64_t sample_id = order.SampleAt(position);
    tally.Add(labels.window_hashes.front() == source.ContentHash(sample_id), sample_id, "window");
  });
  return tally.Summary("tokens", "hashes of windows");
}

Aspect CompareViews(const StoreReader& store, const ImageSource& source, const Places& places) {
  const Schema& schema = store.schema();
  if (schema.views.value("kind", "") != "native") {
    return {"views", Outcome::kUnknown, "they were not made by this program"};
  }
  if (!schema.codec.view_fingerprints) return {"views", Outcome::kUnknown, "the store has no fingerprints of views"};
  Job job;
  job.TakeViews(schema);
  const ImageShape shape = ViewShape(job, "views.size", {}, source);
  const ViewRenderer renderer = MakeImageViews(job, source, shape);
  Tally tally;
  Image own, partner;
  ForEachPlace(store, places, [&](uint32_t epoch, const Order& order, uint64_t position, const LabelBatch& labels) {
    const View view = renderer.ViewAt(order, epoch, position);
    source.ReadImage(view.sample_id, &own);
    if (view.partner_id != view.sample_id) source.ReadImage(view.partner_id, &partner);
    const uint16_t found = renderer.Fingerprint(view, epoch, own.shape, partner.shape);
    tally.Add(labels.view_fingerprints.front() == found, view.sample_id, "sample");
  });
  return tally.Summary("views", "fingerprints of views");
}

}  // namespace

Outcome DatasetComparison::verdict() const {
  const auto differs = [](const Aspect& aspect) { return aspect.outcome == Outcome::kDiffers; };
  const auto tells = [](const Aspect& aspect) {
    const bool each = aspect.name == "dataset" || aspect.name == "names" || aspect.name == "tokens";
    return each && aspect.outcome == Outcome::kEqual;
  };
  if (std::ranges::any_of(aspects, differs)) return Outcome::kDiffers;
  return std::ranges::any_of(aspects, tells) ? Outcome::kEqual : Outcome::kUnknown;
}

std::unique_ptr<Source> OpenDatasetOf(const StoreReader& store, const std::string& path,
                                      const std::vector<std::string>& overrides) {
  std::vector<std::string> given = {"--data.path=" + path};
  given.insert(given.end(), overrides.begin(), overrides.end());
  Job job = ReadJob("", given);
  for (const std::string& key : job.given) {
    if (key.starts_with("data.")) continue;
    Fail(ErrorCode::kInvalidArgument, "--{} says nothing of a dataset; expected keys of [data] (docs/job.md)", key);
  }
  TakeDatasetOptions(store.schema().dataset, &job);
  return OpenJobSource(job);
}

DatasetComparison CompareDataset(const StoreReader& store, const Source& source, const Places& places) {
  const Schema& schema = store.schema();
  DatasetComparison comparison;
  comparison.aspects = {CompareCounts(schema.layout, source), CompareIdentities(schema, source.Identity()),
                        CompareNames(store, source)};
  if (schema.layout.num_samples != source.num_samples()) return comparison;  // ids mean nothing
  const auto* tokens = dynamic_cast<const TokenSource*>(&source);
  const auto* images = dynamic_cast<const ImageSource*>(&source);
  if (tokens != nullptr && schema.codec.windows) {
    comparison.aspects.push_back(CompareTokens(store, *tokens, places));
  } else if (images != nullptr && !schema.codec.windows) {
    comparison.aspects.push_back(CompareViews(store, *images, places));
  } else {
    comparison.aspects.push_back(
        {"kind", Outcome::kDiffers,
         fmt::format("the store has labels of {}, the dataset has {}", schema.codec.windows ? "tokens" : "images",
                     tokens != nullptr ? "tokens" : "images")});
  }
  return comparison;
}

void PrintComparison(const DatasetComparison& comparison) {
  for (const Aspect& aspect : comparison.aspects) {
    fmt::print("  {:<10} {:<8} {}\n", aspect.name, ToText(aspect.outcome), aspect.text);
  }
  const Outcome verdict = comparison.verdict();
  fmt::print("verdict: {}\n", verdict == Outcome::kEqual     ? "aligned: label by label these are the dataset's samples"
                              : verdict == Outcome::kDiffers ? "not aligned: these are labels of other samples"
                                                             : "unknown: nothing here tells one sample from another");
}

nlohmann::ordered_json ComparisonJson(const DatasetComparison& comparison) {
  nlohmann::ordered_json aspects = nlohmann::ordered_json::array();
  for (const Aspect& aspect : comparison.aspects) {
    aspects.push_back({{"name", aspect.name}, {"outcome", ToText(aspect.outcome)}, {"text", aspect.text}});
  }
  const Outcome verdict = comparison.verdict();
  return {{"verdict", verdict == Outcome::kEqual     ? "aligned"
                      : verdict == Outcome::kDiffers ? "not aligned"
                                                     : "unknown"},
          {"aspects", aspects}};
}

}  // namespace decant
