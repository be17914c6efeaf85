#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include <nlohmann/json.hpp>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/store_reader.h"

#include "command.h"
#include "console.h"
#include "run_texts.h"

namespace decant {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kOldNews = 30;  // seconds

struct Options {
  std::string store;
  bool exit_code = false;
  bool json = false;
};

// What the store itself says.
struct Verdict {
  bool complete = false;
  uint64_t spans = 0;  // that it is to hold
  uint64_t spans_committed = 0;
  uint64_t labels_committed = 0;
  std::optional<std::string> digest;
};

// What STORE/status.json says; null when there is none that can be read.
Json ReadRun(const std::string& store) {
  try {
    Json run = Json::parse(ReadFile(store + "/status.json"), nullptr, false);
    return run.is_object() ? run : Json();
  } catch (const Error&) {
    return Json();
  }
}

double Number(const Json& object, const char* key, double otherwise) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number()) return otherwise;
  return object[key].get<double>();
}

bool IsRunning(const Json& run) {
  return run.is_object() && !run.contains("exit_code");
}

double Age(const Json& run) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count() - Number(run, "unix_seconds", 0);
}

// How old the news of a running job are. The writer's clock may differ from ours: when its time looks wrong, what
// counts is whether it writes again.
double AgeOfNews(const std::string& store, Json* run) {
  const double interval = std::clamp(Number(*run, "interval_seconds", 2), 0.1, 10.0);
  const double age = Age(*run);
  if (age > -1 && age < 3 * interval) return std::max(0.0, age);
  const double beat = Number(*run, "beat", 0);
  const double pid = Number(*run, "pid", 0);
  for (double waited = 0; waited < 1.5 * interval; waited += 0.1) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const Json now = ReadRun(store);
    if (now.is_null() || (Number(now, "beat", 0) == beat && Number(now, "pid", 0) == pid)) continue;
    *run = now;
    return 0;
  }
  return std::max(age, 1.5 * interval);
}

// A store of a part holds the spans of that part alone; which it is, the run that writes it tells.
Verdict JudgeStore(const StoreReader& store, const Json& run) {
  Verdict verdict;
  verdict.spans = store.schema().layout.num_spans();
  verdict.spans_committed = store.num_committed_spans();
  verdict.digest = store.digest();
  for (const auto& trailer : store.ledger()) verdict.labels_committed += trailer ? trailer->num_labels : 0;
  verdict.complete = verdict.digest.has_value();
  if (verdict.complete || !run.is_object() || !run.contains("partition")) return verdict;
  const double spans = Number(run, "spans", 0);
  if (Number(run["partition"], "count", 1) <= 1 || spans < 0 || spans > static_cast<double>(verdict.spans))
    return verdict;
  verdict.spans = static_cast<uint64_t>(spans);
  verdict.complete = verdict.spans_committed >= verdict.spans;
  return verdict;
}

void Print(const std::string& store, const Verdict& verdict, const Json& run, std::optional<double> age) {
  const double share = verdict.spans > 0
                           ? 100.0 * static_cast<double>(verdict.spans_committed) / static_cast<double>(verdict.spans)
                           : 100;
  std::string part;
  if (run.is_object() && run.contains("partition")) {
    part = fmt::format("part {:.0f} of {:.0f}, ", Number(run["partition"], "index", 0),
                       Number(run["partition"], "count", 1));
  }
  fmt::print("{}: {}{}, {} of {} spans ({:.1f} %), {} labels\n", store, part,
             verdict.complete ? "complete" : "incomplete", Grouped(verdict.spans_committed), Grouped(verdict.spans),
             share, Grouped(verdict.labels_committed));
  if (verdict.digest) fmt::print("  digest     {}\n", *verdict.digest);
  if (run.is_null()) {
    fmt::print("  run        unknown: {}/status.json does not say\n", store);
    return;
  }
  if (age && *age >= kOldNews) {
    fmt::print(
        "  news       none for {}: the run has ended without a word, or cannot write; when it is gone, `decant "
        "produce` goes "
        "on\n",
        DurationText(*age));
  } else if (age) {
    fmt::print("  news       {:.0f} s old\n", *age);
  }
  fmt::print("{}", StatusText(run));
}

int Status(const Options& options) {
  Json run = ReadRun(options.store);
  std::optional<double> age;
  if (IsRunning(run)) age = AgeOfNews(options.store, &run);
  const StoreReader store(options.store);
  const Verdict verdict = JudgeStore(store, run);
  if (options.json) {
    const Json object = {{"store", options.store},
                         {"complete", verdict.complete},
                         {"spans", verdict.spans},
                         {"spans_committed", verdict.spans_committed},
                         {"labels_committed", verdict.labels_committed},
                         {"digest", verdict.digest.value_or("")},
                         {"running", age && *age < kOldNews},
                         {"news_seconds", age ? Json(*age) : Json()},
                         {"run", run}};
    fmt::print("{}\n", object.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    Print(options.store, verdict, run, age);
  }
  return options.exit_code && !verdict.complete ? ExitCode(ErrorCode::kCancelled) : 0;
}

}  // namespace

Command AddStatus(CLI::App& program) {
  CLI::App* app = program.add_subcommand("status", "Tells how far a store is, and how the run goes that writes it");
  const auto options = std::make_shared<Options>();
  app->add_option("store", options->store, "The label store")->required();
  app->add_flag("--exit-code", options->exit_code,
                "Exit with 0 when it is complete, 75 when it is not, 3 when there is none, 5 when it is damaged");
  app->add_flag("--json", options->json, "Print one JSON object");
  return {app, [options] { return Status(*options); }};
}

}  // namespace decant
