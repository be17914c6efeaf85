#include "run_status.h"

#include <algorithm>
#include <cmath>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace decant {
namespace {

using Json = nlohmann::ordered_json;

const char* StateName(RankStatus::State state) {
  switch (state) {
    case RankStatus::kStarting:
      return "starting";
    case RankStatus::kReady:
      return "ready";
    case RankStatus::kWorking:
      return "working";
    case RankStatus::kIdle:
      return "idle";
    case RankStatus::kLost:
      return "lost";
    case RankStatus::kRetired:
      return "retired";
    case RankStatus::kGone:
      return "gone";
  }
  return "";
}

bool IsThere(RankStatus::State state) {
  return state == RankStatus::kReady || state == RankStatus::kWorking || state == RankStatus::kIdle;
}

double UnixSeconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

double PerSecond(double count, double seconds) {
  return seconds > 0 ? count / seconds : 0;
}

Json RankJson(const RankStatus& rank, double seconds) {
  Json object = {{"rank", rank.rank},
                 {"host", rank.host},
                 {"state", StateName(rank.state)},
                 {"spans", rank.spans_done},
                 {"span_seconds", rank.span_seconds},
                 {"busy", std::min(1.0, PerSecond(rank.busy_seconds, seconds))},
                 {"silent_seconds", rank.silent_seconds}};
  const Json statistics = Json::parse(rank.statistics, nullptr, false);
  if (statistics.is_object()) {
    if (const auto labels = statistics.find("labels"); labels != statistics.end() && labels->is_number()) {
      object["labels"] = *labels;
      object["labels_per_second"] = PerSecond(labels->get<double>(), seconds);
    }
    if (const auto stages = statistics.find("seconds"); stages != statistics.end() && stages->is_object()) {
      object["seconds"] = *stages;
    }
  }
  if (!rank.reason.empty()) object["reason"] = rank.reason;
  return object;
}

// The rank whose spans take longest, and how many times as long as the median rank's. Needs two ranks that are known.
void AddSlowest(const std::vector<RankStatus>& ranks, Json* object) {
  std::vector<double> seconds;
  const RankStatus* slowest = nullptr;
  for (const RankStatus& rank : ranks) {
    if (!IsThere(rank.state) || rank.span_seconds <= 0) continue;
    seconds.push_back(rank.span_seconds);
    if (!slowest || rank.span_seconds > slowest->span_seconds) slowest = &rank;
  }
  if (seconds.size() < 2) return;
  const size_t middle = (seconds.size() - 1) / 2;
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(middle), seconds.end());
  (*object)["slowest_rank"] = slowest->rank;
  (*object)["slowest_factor"] = slowest->span_seconds / seconds[middle];
}

std::string StateOf(const RunSnapshot& snapshot) {
  if (snapshot.outcome) return snapshot.outcome->state;
  return snapshot.job.stopping ? "stopping" : "running";
}

}  // namespace

std::string TimeText(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time - whole).count();
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), milliseconds);
}

Json EventJson(const LoggedEvent& event) {
  Json object = {{"time", TimeText(event.time)}, {"event", event.kind}};
  object.update(event.fields);
  return object;
}

Json RunStatusJson(const RunFacts& facts, const RunSnapshot& snapshot) {
  const JobStatus& job = snapshot.job;
  const uint64_t new_labels = snapshot.committed.labels - snapshot.begun_with.labels;
  Json object = {{"version", 1},
                 {"decant", facts.version},
                 {"store", facts.store},
                 {"state", StateOf(snapshot)},
                 {"time", TimeText(snapshot.now)},
                 {"unix_seconds", UnixSeconds(snapshot.now)},
                 {"beat", snapshot.beat},
                 {"interval_seconds", snapshot.interval_seconds},
                 {"host", facts.host},
                 {"pid", facts.pid},
                 {"num_ranks", facts.num_ranks},
                 {"seconds", snapshot.seconds},
                 {"schema_digest", facts.schema_digest}};
  if (facts.partition) object["partition"] = {{"index", facts.partition->index}, {"count", facts.partition->count}};
  object.update({{"spans", facts.spans_planned},
                 {"spans_committed", snapshot.committed.spans},
                 {"spans_done", job.spans_done},
                 {"spans_assigned", job.spans_assigned},
                 {"spans_left", job.spans_left},
                 {"labels", facts.labels_planned},
                 {"labels_committed", snapshot.committed.labels},
                 {"labels_this_run", new_labels},
                 {"bytes", snapshot.committed.bytes}});
  Json ranks = Json::array();
  double labels_per_second = 0;
  for (size_t i = 0; i < job.ranks.size(); ++i) {
    ranks.push_back(RankJson(job.ranks[i], i < snapshot.rank_seconds.size() ? snapshot.rank_seconds[i] : 0));
    if (IsThere(job.ranks[i].state)) labels_per_second += ranks.back().value("labels_per_second", 0.0);
  }
  if (labels_per_second == 0 || snapshot.outcome) {
    labels_per_second = PerSecond(static_cast<double>(new_labels), snapshot.seconds);
  }
  object["labels_per_second"] = labels_per_second;
  object["eta_seconds"] = job.eta_seconds >= 0 && std::isfinite(job.eta_seconds) ? Json(job.eta_seconds) : Json();
  AddSlowest(job.ranks, &object);
  object["ranks"] = ranks;
  object["events"] = Json::array();
  for (const LoggedEvent& event : snapshot.events) object["events"].push_back(EventJson(event));
  if (const auto& outcome = snapshot.outcome) {
    object["exit_code"] = outcome->exit_code;
    if (!outcome->text.empty()) object["text"] = outcome->text;
    if (!outcome->digest.empty()) object["digest"] = outcome->digest;
  }
  return object;
}

}  // namespace decant
