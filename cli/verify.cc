#include "decant/store/verify.h"

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

std::string Verdict(const VerifyReport& report) {
  if (!report.sound()) return "damaged";
  if (!report.complete()) return "sound, incomplete";
  return report.sealed ? "sound" : "sound, not sealed";
}

void PrintJson(const std::string& store, const VerifyReport& report) {
  nlohmann::ordered_json damages = nlohmann::ordered_json::array();
  for (const Damage& damage : report.damages) damages.push_back({{"where", damage.where}, {"what", damage.what}});
  const nlohmann::ordered_json object = {{"store", store},
                                         {"verdict", Verdict(report)},
                                         {"files", report.num_files},
                                         {"bytes", report.file_bytes},
                                         {"spans", report.num_spans},
                                         {"spans_committed", report.num_committed},
                                         {"spans_expired", report.num_expired},
                                         {"labels", report.num_labels},
                                         {"entries", report.num_entries},
                                         {"seconds", report.seconds},
                                         {"digest", report.digest.value_or("")},
                                         {"damages", damages}};
  fmt::print("{}\n", object.dump(2));
}

void PrintText(const std::string& store, const VerifyReport& report) {
  for (const Damage& damage : report.damages) fmt::print("{}: {}\n", damage.where, damage.what);
  fmt::print("{}: {} files, {} bytes, {} of {} spans, {} labels read in {:.2f} s\n", store, report.num_files,
             Grouped(report.file_bytes), report.num_committed, report.num_spans, Grouped(report.num_labels),
             report.seconds);
  if (report.num_expired > 0) fmt::print("{} of the spans have expired\n", report.num_expired);
  if (report.digest) fmt::print("digest {}\n", *report.digest);
  if (report.sound()) {
    fmt::print("verdict: {}\n", Verdict(report));
  } else {
    fmt::print("verdict: damaged in {} {}\n", report.damages.size(), report.damages.size() == 1 ? "place" : "places");
  }
}

}  // namespace

Command AddVerify(CLI::App& program) {
  CLI::App* app =
      program.add_subcommand("verify", "Checks every file, every chunk, every label and every count of a store");
  const auto options = std::make_shared<Options>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_option("--threads", options->threads, "Threads that read")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] {
            const VerifyReport report = VerifyStore(options->store, options->threads);
            if (options->json) {
              PrintJson(options->store, report);
            } else {
              PrintText(options->store, report);
            }
            return report.sound() ? 0 : kExitDamaged;
          }};
}

}  // namespace decant
