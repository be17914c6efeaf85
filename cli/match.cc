#include <cstdio>
#include <memory>

#include "command.h"
#include "compare_dataset.h"
#include "console.h"

namespace decant {
namespace {

struct Options {
  std::string store;
  std::string dataset;
  uint64_t samples = 1024;
  bool json = false;
};

int Match(const Options& options, const std::vector<std::string>& overrides) {
  const StoreReader store(options.store);
  const auto source = OpenDatasetOf(store, options.dataset, overrides);
  const Places places = store.num_committed_spans() > 0 ? SpreadPlaces(store, options.samples) : Places();
  const DatasetComparison comparison = CompareDataset(store, *source, places);
  if (options.json) {
    nlohmann::ordered_json object = {{"store", options.store}, {"dataset", options.dataset}};
    object.update(ComparisonJson(comparison));
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print("{} and {}\n", options.store, options.dataset);
    PrintComparison(comparison);
  }
  return comparison.verdict() == DatasetComparison::Outcome::kEqual ? 0 : ExitCode(ErrorCode::kMismatch);
}

}  // namespace

Command AddMatch(CLI::App& program) {
  CLI::App* app = program.add_subcommand("match", "Tells whether the labels of a store are those of a dataset");
  const auto options = std::make_shared<Options>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_option("dataset", options->dataset, "The dataset: data.path of a job")->required();
  app->add_option("--samples", options->samples, "Samples that are read from both, evenly spread")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
  app->add_flag("--json", options->json, "Print one JSON object");
  app->allow_extras();
  app->footer("Keys of [data] can be given as for produce: --data.window=1024");
  return {app, [app, options] { return Match(*options, app->remaining()); }};
}

}  // namespace decant
