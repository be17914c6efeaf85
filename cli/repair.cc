#include "decant/store/repair.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>

#include <nlohmann/json.hpp>

#include "command.h"
#include "console.h"

namespace decant {
namespace {

struct Options {
  std::string store;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  bool json = false;
};

void PrintJson(const std::string& store, const RepairReport& report) {
  nlohmann::ordered_json damages = nlohmann::ordered_json::array();
  for (const Damage& damage : report.damages) damages.push_back({{"where", damage.where}, {"what", damage.what}});
  const nlohmann::ordered_json object = {{"store", store},
                                         {"repaired", !report.damages.empty()},
                                         {"dropped", report.dropped},
                                         {"recovered", report.recovered},
                                         {"spans", report.num_spans},
                                         {"spans_committed", report.num_committed},
                                         {"digest", report.digest.value_or("")},
                                         {"damages", damages}};
  fmt::print("{}\n", object.dump(2));
}

void PrintText(const std::string& store, const RepairReport& report) {
  if (report.damages.empty()) {
    fmt::print("{}: sound, nothing to repair\n", store);
    return;
  }
  for (const Damage& damage : report.damages) fmt::print("{}: {}\n", damage.where, damage.what);
  for (const uint64_t span : report.dropped) fmt::print("dropped span {}\n", span);
  for (const uint64_t span : report.recovered) fmt::print("took back span {}\n", span);
  fmt::print("{}: repaired, {} of {} spans{}\n", store, report.num_committed, report.num_spans,
             report.digest ? "" : "; `decant produce` labels the others");
  if (report.digest) fmt::print("digest {}\n", *report.digest);
}

}  // namespace

Command AddRepair(CLI::App& program) {
  CLI::App* app = program.add_subcommand("repair", "Drops exactly the bad spans of a damaged store");
  const auto options = std::make_shared<Options>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_option("--threads", options->threads, "Threads that read")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] {
            const RepairReport report = RepairStore(options->store, options->threads);
            if (options->json) {
              PrintJson(options->store, report);
            } else {
              PrintText(options->store, report);
            }
            return 0;
          }};
}

}  // namespace decant
