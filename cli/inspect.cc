#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "decant/base/error.h"
#include "decant/data/order.h"
#include "decant/data/view.h"
#include "decant/store/store_reader.h"

#include "class_names.h"
#include "command.h"
#include "console.h"
#include "inspect_labels.h"

namespace decant {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string store;
  std::optional<uint64_t> sample;
  uint32_t epoch = 0;
  std::string data;
  std::string split;
  std::string class_names;
  bool json = false;
};

Json Summary(const StoreReader& store) {
  const Schema& schema = store.schema();
  SpanTrailer total;
  for (const auto& trailer : store.ledger()) {
    if (!trailer) continue;
    total.num_labels += trailer->num_labels;
    total.num_entries += trailer->num_entries;
    total.chunk_bytes += trailer->chunk_bytes;
    total.kl_sum += trailer->kl_sum;
    total.kl_max = std::max(total.kl_max, trailer->kl_max);
  }
  const double labels = std::max<double>(1, static_cast<double>(total.num_labels));
  const uint64_t disk_bytes = FolderBytes(store.path());
  return {{"store", store.path()},
          {"complete", store.num_committed_spans() == schema.layout.num_spans()},
          {"spans", schema.layout.num_spans()},
          {"spans_committed", store.num_committed_spans()},
          {"labels", total.num_labels},
          {"labels_planned", schema.layout.num_labels()},
          {"entries_per_label", static_cast<double>(total.num_entries) / labels},
          {"disk_bytes", disk_bytes},
          {"bytes_per_label", static_cast<double>(disk_bytes) / labels},
          {"chunk_bytes_per_label", static_cast<double>(total.chunk_bytes) / labels},
          {"kl_mean", total.kl_sum / labels},
          {"kl_max", total.kl_max},
          {"kl_bound", store.codec().KlBound()},
          {"digest", store.digest().value_or("")},
          {"schema_digest", SchemaDigest(schema)},
          {"schema", Json::parse(SchemaText(schema))},
          {"provenance", Json(schema.provenance)}};
}

void PrintSummary(const Json& summary) {
  const Json& schema = summary["schema"];
  const Json& labels = schema["labels"];
  fmt::print("{}: {}\n", summary["store"].get<std::string>(),
             summary["complete"].get<bool>() ? "complete" : "incomplete; `decant produce` continues it");
  fmt::print("  labels     {} of {} ({} epochs of {} samples)\n", Grouped(summary["labels"]),
             Grouped(summary["labels_planned"]), schema["layout"]["num_epochs"].dump(),
             Grouped(schema["layout"]["num_samples"]));
  fmt::print("  spans      {} of {}\n", summary["spans_committed"].dump(), summary["spans"].dump());
  std::vector<std::string> temperatures;
  for (const Json& temperature : labels["temperatures"]) temperatures.push_back(temperature.dump());
  fmt::print("  classes    {}, of which the {} likeliest are stored, at temperature{} {}\n",
             Grouped(labels["num_classes"]), labels["k"].dump(), temperatures.size() > 1 ? "s" : "",
             fmt::join(temperatures, ", "));
  fmt::print("  size       {} bytes, {:.2f} a label ({:.2f} in chunks)\n", Grouped(summary["disk_bytes"]),
             summary["bytes_per_label"].get<double>(), summary["chunk_bytes_per_label"].get<double>());
  fmt::print("  KL         mean {:.2e}, largest {:.2e}, bound {:.2e} nats\n", summary["kl_mean"].get<double>(),
             summary["kl_max"].get<double>(), summary["kl_bound"].get<double>());
  fmt::print("  teacher    {}\n", schema["teacher"].dump());
  fmt::print("  dataset    {}\n", schema["dataset"].dump());
  fmt::print("  views      {}, seed {}\n", schema["views"].dump(), schema["seed"].dump());
  fmt::print("  order      {}\n", schema["order"].dump());
  fmt::print("  made with  {}\n", summary["provenance"].value("libraries", Json::object()).dump());
  const std::string digest = summary["digest"];
  fmt::print("  digest     {}\n", digest.empty() ? "none yet" : digest);
}

Json LabelJson(const StoreReader& store, uint64_t sample_id, uint32_t epoch) {
  const Schema& schema = store.schema();
  const Layout& layout = schema.layout;
  if (sample_id >= layout.num_samples || epoch >= layout.num_epochs) {
    Fail(ErrorCode::kInvalidArgument, "{} has {} samples and {} epochs; there is no sample {} in epoch {}",
         store.path(), layout.num_samples, layout.num_epochs, sample_id, epoch);
  }
  const Order order(OrderFromIdentity(schema.order), schema.seed, epoch, layout.num_samples);
  const uint64_t position = order.PositionOf(sample_id);
  LabelBatch label;
  store.ReadLabel(epoch, position, &label);
  label.SortEntries(EntryOrder::kLikeliestFirst);
  Json object = {{"sample", sample_id},          {"epoch", epoch},
                 {"position", position},         {"ids", label.ids},
                 {"log_probs", label.log_probs}, {"tail_mass", label.tail_mass}};
  if (label.size() == 1) object["tail_mass"] = label.tail_mass.front();
  if (label.size() != 1) object["offsets"] = label.offsets;
  if (schema.codec.view_fingerprints) object["view_fingerprint"] = label.view_fingerprints.front();
  if (schema.views.value("kind", "") != "native") return object;
  const ViewParams view = DrawView(ViewSpecFromIdentity(schema.views), schema.seed, epoch, sample_id);
  const uint64_t neighbour = position ^ 1;
  const bool mixed = view.mixed && neighbour < layout.num_samples;
  object["view"] = {{"shift_x", view.shift_x},
                    {"shift_y", view.shift_y},
                    {"degrees", 360 / M_PI * std::atan(view.half_tan)},
                    {"shear", view.shear},
                    {"scale", view.scale},
                    {"brightness", view.brightness / 65536.0},
                    {"partner", mixed ? Json(order.SampleAt(neighbour)) : Json()},
                    {"own_share", mixed ? view.own_share / 65536.0 : 1.0}};
  return object;
}

void PrintLabel(const Json& label) {
  fmt::print("sample {} in epoch {}, at position {}\n", label["sample"].dump(), label["epoch"].dump(),
             label["position"].dump());
  const bool one = !label.contains("offsets");
  const size_t num_labels = one ? 1 : label["offsets"].size() - 1;
  for (size_t i = 0; i < num_labels; ++i) {
    if (!one) fmt::print("  token {}\n", i);
    const size_t begin = one ? 0 : label["offsets"][i].get<size_t>();
    const size_t end = one ? label["ids"].size() : label["offsets"][i + 1].get<size_t>();
    for (size_t entry = begin; entry < end; ++entry) {
      // JSON has no infinity: null stands for the logarithm of 0.
      const double log_prob = label["log_probs"][entry].is_null() ? -HUGE_VAL : label["log_probs"][entry].get<double>();
      fmt::print("  class {:>6}  probability {:.6f}  log {:.4f}", label["ids"][entry].dump(), std::exp(log_prob),
                 log_prob);
      if (label.contains("class_names")) fmt::print("  {}", label["class_names"][entry].get<std::string>());
      fmt::print("\n");
    }
    const Json& tail = one ? label["tail_mass"] : label["tail_mass"][i];
    fmt::print("  tail          probability {:.6f}\n", tail.get<double>());
  }
  if (label.contains("view")) fmt::print("  view {}\n", label["view"].dump());
  if (label.contains("view_fingerprint")) {
    fmt::print("  view fingerprint {:#06x}\n", label["view_fingerprint"].get<uint16_t>());
  }
}

void AddClassNames(const std::string& path, const Schema& schema, Json* label) {
  const ClassNames classes = ReadClassNames(path, schema.codec.num_classes);
  const std::string expected = schema.teacher.value("class_names", classes.digest);
  if (classes.digest != expected) {
    Fail(ErrorCode::kMismatch, "{}: teacher.class_names: expected {}, found {}", path, expected, classes.digest);
  }
  Json found = Json::array();
  for (const uint32_t id : (*label)["ids"]) found.push_back(classes.names[id]);
  (*label)["class_names"] = found;
}

int Inspect(const Options& options) {
  const StoreReader store(options.store);
  Json object;
  if (options.sample) {
    object = LabelJson(store, *options.sample, options.epoch);
    if (!options.class_names.empty()) AddClassNames(options.class_names, store.schema(), &object);
  } else {
    object = Summary(store);
    object["sample"] = StatisticsJson(store, options.data, options.split);
  }
  if (options.json) {
    fmt::print("{}\n", object.dump(2, ' ', false, Json::error_handler_t::replace));
  } else if (options.sample) {
    PrintLabel(object);
  } else {
    PrintSummary(object);
    PrintStatistics(object["sample"]);
  }
  return 0;
}

}  // namespace

Command AddInspect(CLI::App& program) {
  CLI::App* app = program.add_subcommand("inspect", "Tells what is in a store, or in one label of it");
  const auto options = std::make_shared<Options>();
  app->add_option("store", options->store, "The label store")->required();
  CLI::Option* sample = app->add_option("--sample", options->sample, "Decode the label of this sample");
  app->add_option("--epoch", options->epoch, "... in this epoch")->needs(sample)->capture_default_str();
  app->add_option("--class-names", options->class_names, "... with the names of its classes, one a line in this file")
      ->needs(sample);
  CLI::Option* data = app->add_option("--data", options->data, "The dataset, to compare labels with its true classes");
  data->excludes(sample);
  app->add_option("--split", options->split, "... the split that was labelled; else what the store says")->needs(data);
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] { return Inspect(*options); }};
}

}  // namespace decant
