#include "decant/store/merge.h"

#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "command.h"
#include "console.h"

namespace decant {
namespace {

struct MergeOptions {
  std::string out;
  std::vector<std::string> stores;
  bool json = false;
};

struct ExtractOptions {
  std::string out;
  std::string store;
  std::string epochs;
  bool json = false;
};

void Print(const std::string& store, const MergeReport& report, bool json) {
  if (json) {
    const nlohmann::ordered_json object = {{"store", store},
                                           {"spans", report.num_spans},
                                           {"spans_committed", report.num_committed},
                                           {"spans_linked", report.num_linked},
                                           {"digest", report.digest.value_or("")}};
    fmt::print("{}\n", object.dump(2));
    return;
  }
  fmt::print("{}: {}, {} of {} spans, {} of them linked in this run\n", store,
             report.digest ? "complete" : "incomplete", report.num_committed, report.num_spans, report.num_linked);
  if (report.digest) fmt::print("digest {}\n", *report.digest);
}

}  // namespace

Command AddMerge(CLI::App& program) {
  CLI::App* app =
      program.add_subcommand("merge", "Makes one store of several with disjoint spans, linking their files");
  const auto options = std::make_shared<MergeOptions>();
  app->add_option("out", options->out, "The new store")->required();
  app->add_option("stores", options->stores, "The stores that have its parts")->required();
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] {
            Print(options->out, MergeStores(options->out, options->stores), options->json);
            return 0;
          }};
}

Command AddExtract(CLI::App& program) {
  CLI::App* app = program.add_subcommand("extract", "Makes a smaller store of some epochs, linking their files");
  const auto options = std::make_shared<ExtractOptions>();
  app->add_option("out", options->out, "The new store")->required();
  app->add_option("store", options->store, "The store to take them from")->required();
  app->add_option("--epochs", options->epochs, "The epochs A:B, from A on, B excluded")->required();
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] {
            const EpochRange epochs = ParseEpochRange(options->epochs);
            Print(options->out, ExtractStore(options->out, options->store, epochs.begin, epochs.end), options->json);
            return 0;
          }};
}

}  // namespace decant
