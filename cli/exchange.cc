#include "decant/exchange/exchange.h"

#include <cstdio>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "command.h"
#include "console.h"

namespace decant {
namespace {

struct ExportOptions {
  std::string store;
  std::string out;
  std::string format;
  std::string epochs;
  bool lossy = false;
  bool json = false;
};

struct ImportOptions {
  std::string out;
  std::vector<std::string> sources;
  std::string format;
  uint32_t num_classes = 0;
  std::optional<double> delta;
  bool json = false;
};

int Export(const ExportOptions& options) {
  const StoreReader store(options.store);
  EpochRange epochs = {.begin = 0, .end = store.schema().layout.num_epochs};
  if (!options.epochs.empty()) epochs = ParseEpochRange(options.epochs);
  uint64_t num_labels = 0;
  if (options.format == "tinyvit") {
    num_labels = ExportTinyVit(store, options.out,
                               {.epoch_begin = epochs.begin, .epoch_end = epochs.end, .lossy = options.lossy});
  } else {
    if (options.lossy) Fail(ErrorCode::kInvalidArgument, "--lossy is for --format tinyvit");
    num_labels = ExportNpz(store, options.out, epochs.begin, epochs.end);
  }
  const uint32_t num_epochs = epochs.end - epochs.begin;
  if (options.json) {
    const nlohmann::ordered_json object = {
        {"store", options.store}, {"out", options.out}, {"epochs", num_epochs}, {"labels", num_labels}};
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print("{}: {} labels of {} {}\n", options.out, Grouped(num_labels), num_epochs,
               num_epochs == 1 ? "epoch" : "epochs");
  }
  return 0;
}

int Import(const ImportOptions& options) {
  ImportReport report;
  if (options.format == "tinyvit") {
    if (options.delta) Fail(ErrorCode::kInvalidArgument, "--delta is for --format npz: TinyViT's labels stay exact");
    report = ImportTinyVit(options.out, {.sources = options.sources, .num_classes = options.num_classes});
  } else {
    NpzImport npz = {.sources = options.sources, .num_classes = options.num_classes};
    if (options.delta) npz.delta = *options.delta;
    report = ImportNpz(options.out, npz);
  }
  const uint64_t bytes = FolderBytes(options.out);
  if (options.json) {
    const nlohmann::ordered_json object = {{"store", options.out},        {"samples", report.num_samples},
                                           {"epochs", report.num_epochs}, {"labels", report.num_labels},
                                           {"disk_bytes", bytes},         {"digest", report.digest}};
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print("{}: complete, {} labels of {} samples, {} bytes\ndigest {}\n", options.out, Grouped(report.num_labels),
               Grouped(report.num_samples), Grouped(bytes), report.digest);
  }
  return 0;
}

}  // namespace

Command AddExport(CLI::App& program) {
  CLI::App* app = program.add_subcommand("export", "Writes a store's labels as files of other programs");
  const auto options = std::make_shared<ExportOptions>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_option("out", options->out, "The folder for the files")->required();
  app->add_option("--format", options->format, "npz or tinyvit")->required()->check(CLI::IsMember({"npz", "tinyvit"}));
  app->add_option("--epochs", options->epochs, "The epochs A:B, from A on, B excluded; else all");
  app->add_flag("--lossy", options->lossy, "tinyvit: round labels that are not float16 probabilities");
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] { return Export(*options); }};
}

Command AddImport(CLI::App& program) {
  CLI::App* app = program.add_subcommand("import", "Makes a store of the labels in other programs' files");
  const auto options = std::make_shared<ImportOptions>();
  app->add_option("out", options->out, "The new store")->required();
  app->add_option("sources", options->sources, "Files or folders, one or more epochs each")->required();
  app->add_option("--format", options->format, "npz or tinyvit")->required()->check(CLI::IsMember({"npz", "tinyvit"}));
  app->add_option("--classes", options->num_classes, "The teacher's classes; else 1 + the largest one in the files");
  app->add_option("--delta", options->delta, "npz: step of the codes, nats");
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] { return Import(*options); }};
}

}  // namespace decant
