#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "decant/store/store_reader.h"
#include "decant/store/store_writer.h"

#include "command.h"
#include "console.h"

namespace decant {
namespace {

struct ExpireOptions {
  std::string store;
  std::string epochs;
  bool json = false;
};

struct ExtendOptions {
  std::string store;
  uint32_t epochs = 0;
  bool json = false;
};

void Expire(const ExpireOptions& options) {
  const EpochRange epochs = ParseEpochRange(options.epochs);
  const uint64_t bytes_before = FolderBytes(options.store);
  std::optional<Schema> schema;
  bool sealed = false;
  {
    const StoreReader reader(options.store);
    schema = reader.schema();
    sealed = reader.digest().has_value();
  }
  {
    StoreWriter writer(options.store, *schema);
    writer.Expire(epochs.begin, epochs.end);
    if (sealed) writer.Seal();
  }
  const uint64_t bytes = FolderBytes(options.store);
  const uint64_t freed = bytes_before - std::min(bytes, bytes_before);
  if (options.json) {
    const nlohmann::ordered_json object = {{"store", options.store},
                                           {"epoch_begin", epochs.begin},
                                           {"epoch_end", epochs.end},
                                           {"bytes_freed", freed},
                                           {"disk_bytes", bytes}};
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print("{}: epochs {} to {} have expired, {} bytes freed\n", options.store, epochs.begin, epochs.end - 1,
               Grouped(freed));
  }
}

void Extend(const ExtendOptions& options) {
  const Schema schema = StoreReader(options.store).schema();
  StoreWriter writer(options.store, schema);
  writer.Extend(options.epochs);
  const uint64_t missing = writer.MissingSpans().size();
  if (options.json) {
    const nlohmann::ordered_json object = {{"store", options.store},
                                           {"epochs_before", schema.layout.num_epochs},
                                           {"epochs", options.epochs},
                                           {"spans_missing", missing}};
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print("{}: {} epochs, before {}; `decant produce` with labels.epochs = {} labels the {} spans to go\n",
               options.store, options.epochs, schema.layout.num_epochs, options.epochs, missing);
  }
}

}  // namespace

Command AddExpire(CLI::App& program) {
  CLI::App* app = program.add_subcommand("expire", "Deletes the labels of epochs that have been used");
  const auto options = std::make_shared<ExpireOptions>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_option("--epochs", options->epochs, "The epochs A:B, from A on, B excluded")->required();
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] {
            Expire(*options);
            return 0;
          }};
}

Command AddExtend(CLI::App& program) {
  CLI::App* app = program.add_subcommand("extend", "Gives a store more epochs, for `produce` to label");
  const auto options = std::make_shared<ExtendOptions>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_option("--epochs", options->epochs, "Epochs that it is to have")->required();
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] {
            Extend(*options);
            return 0;
          }};
}

}  // namespace decant
