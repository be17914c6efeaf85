#include "run_texts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "console.h"

namespace decant {
namespace {

using Json = nlohmann::ordered_json;

const Json& At(const Json& object, const char* key) {
  static const Json kNone;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found == object.end() ? kNone : *found;
}

double Number(const Json& object, const char* key, double otherwise = 0) {
  const Json& value = At(object, key);
  return value.is_number() ? value.get<double>() : otherwise;
}

uint64_t Count(const Json& object, const char* key) {
  const double number = Number(object, key);
  return number > 0 && number < 1e18 ? static_cast<uint64_t>(number) : 0;
}

std::string Text(const Json& object, const char* key) {
  const Json& value = At(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string Rounded(double number) {
  return Grouped(number > 0 && number < 1e18 ? static_cast<uint64_t>(number + 0.5) : 0);
}

std::string SlowestText(const Json& status) {
  const double rank = Number(status, "slowest_rank", -1);
  if (rank < 0) return "";
  std::string host;
  for (const Json& each : At(status, "ranks")) {
    if (Number(each, "rank", -1) == rank) host = Text(each, "host");
  }
  return fmt::format("slowest rank {:.0f}{}, {:.2f} x the median", rank, host.empty() ? "" : " (" + host + ")",
                     Number(status, "slowest_factor", 1));
}

std::string EtaText(const Json& status) {
  const double eta = Number(status, "eta_seconds", -1);
  return eta < 0 ? "some time" : DurationText(eta);
}

// Of an event: what is not time, kind, rank and span.
std::string EventText(const Json& event) {
  std::string line = fmt::format("{}  {}", Text(event, "time"), Text(event, "event"));
  if (!event.is_object()) return line;
  for (const auto& [key, value] : event.items()) {
    if (key == "time" || key == "event") continue;
    line += key == "text" ? ":" : "  " + key;
    line += fmt::format(" {}", value.is_string() ? value.get<std::string>() : value.dump());
  }
  return line;
}

std::string RankLine(const Json& rank, bool slowest) {
  std::string line = fmt::format("  {:>5}  {:<16}  {:<8}  {:>7}  {:>9}  {:>5.0f} %", Count(rank, "rank"),
                                 Text(rank, "host"), Text(rank, "state"), Grouped(Count(rank, "spans")),
                                 Rounded(Number(rank, "labels_per_second")), 100 * Number(rank, "busy"));
  if (slowest) line += "  slowest";
  const double silent = Number(rank, "silent_seconds");
  const std::string reason = Text(rank, "reason");
  if (!reason.empty()) return line + "  " + reason + "\n";
  if (silent >= 10) line += fmt::format("  silent for {}", DurationText(silent));
  return line + "\n";
}

// One family of samples in Prometheus' text format.
class Metrics {
 public:
  explicit Metrics(const std::string& store) : store_(Escaped(store)) {}

  void Family(const std::string& name, const char* type, const char* help) {
    name_ = "decant_" + name;
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name_, help, type);
  }
  void Sample(double value, const std::vector<std::pair<const char*, std::string>>& labels = {}) {
    text_ += fmt::format("{}{{store=\"{}\"", name_, store_);
    for (const auto& [label, text] : labels) text_ += fmt::format(",{}=\"{}\"", label, Escaped(text));
    text_ += fmt::format("}} {}\n", value);
  }
  void Gauge(const std::string& name, const char* help, double value) {
    Family(name, "gauge", help);
    Sample(value);
  }
  std::string Take() { return std::move(text_); }

 private:
  static std::string Escaped(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
      if (c == '\\' || c == '"') escaped += '\\';
      escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
    }
    return escaped;
  }

  const std::string store_;
  std::string name_;
  std::string text_;
};

void AddRanks(const Json& ranks, Metrics* metrics) {
  const auto labels_of = [](const Json& rank) -> std::vector<std::pair<const char*, std::string>> {
    return {{"rank", std::to_string(Count(rank, "rank"))}, {"host", Text(rank, "host")}};
  };
  std::map<std::string, int> states;
  for (const Json& rank : ranks) ++states[Text(rank, "state")];
  metrics->Family("ranks", "gauge", "Ranks of the run, by state.");
  for (const auto& [state, count] : states) metrics->Sample(count, {{"state", state}});

  const std::tuple<const char*, const char*, const char*, const char*> families[] = {
      {"rank_spans_total", "counter", "Spans that the rank has labelled in this run.", "spans"},
      {"rank_labels_total", "counter", "Labels that the rank has made in this run.", "labels"},
      {"rank_busy_ratio", "gauge", "Share of its time that the rank has worked.", "busy"},
      {"rank_span_seconds", "gauge", "Expected duration of one span of the rank.", "span_seconds"},
      {"rank_silent_seconds", "gauge", "Time since the rank was last heard of.", "silent_seconds"},
  };
  for (const auto& [name, type, help, key] : families) {
    metrics->Family(name, type, help);
    for (const Json& rank : ranks) {
      if (At(rank, key).is_number()) metrics->Sample(Number(rank, key), labels_of(rank));
    }
  }
  metrics->Family("rank_stage_seconds_total", "counter", "Time of the rank's threads in each stage of labelling.");
  for (const Json& rank : ranks) {
    const Json& stages = At(rank, "seconds");
    if (!stages.is_object()) continue;
    for (const auto& [stage, seconds] : stages.items()) {
      auto labels = labels_of(rank);
      labels.emplace_back("stage", stage);
      if (seconds.is_number()) metrics->Sample(seconds.get<double>(), labels);
    }
  }
}

}  // namespace

std::string DurationText(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{:.0f} minutes", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{:.1f} hours", seconds / 3600);
  return fmt::format("{:.1f} days", seconds / 86400);
}

std::string BytesText(double bytes) {
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return fmt::format("{:.0f} bytes", bytes);
  size_t unit = 0;
  for (bytes /= 1000; bytes >= 999.95 && unit + 1 < std::size(units); bytes /= 1000) ++unit;
  return fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string ProgressLine(const Json& status) {
  std::string line = fmt::format("{}: {} of {} spans", Text(status, "store"), Grouped(Count(status, "spans_committed")),
                                 Grouped(Count(status, "spans")));
  if (const double rate = Number(status, "labels_per_second"); rate > 0) {
    line += fmt::format(", {} labels/s", Rounded(rate));
  }
  line += Text(status, "state") == "stopping" ? ", stopping" : fmt::format(", {} to go", EtaText(status));
  line += ", " + BytesText(Number(status, "bytes"));
  if (const std::string slowest = SlowestText(status); !slowest.empty()) line += ", " + slowest;
  size_t missing = 0;
  for (const Json& rank : At(status, "ranks")) {
    const std::string state = Text(rank, "state");
    missing += state == "lost" || state == "retired";
  }
  if (missing > 0) line += fmt::format(", {} of {} ranks lost", missing, At(status, "ranks").size());
  return line;
}

std::string StatusText(const Json& status) {
  std::string text = fmt::format("  run        {}, {} {}, on {}, process {}, for {}\n", Text(status, "state"),
                                 Count(status, "num_ranks"), Count(status, "num_ranks") == 1 ? "rank" : "ranks",
                                 Text(status, "host"), Count(status, "pid"), DurationText(Number(status, "seconds")));
  if (const std::string why = Text(status, "text"); !why.empty()) text += fmt::format("             {}\n", why);
  text += fmt::format("  labels     {} in this run, {} a second\n", Grouped(Count(status, "labels_this_run")),
                      Rounded(Number(status, "labels_per_second")));
  if (!status.contains("exit_code")) {
    const uint64_t assigned = Count(status, "spans_assigned");
    const uint64_t left = Count(status, "spans_left");
    text += fmt::format("  spans      {} under way, {} to be dealt\n", Grouped(assigned),
                        Grouped(left - std::min(left, assigned)));
    text += fmt::format("  to go      {}\n", EtaText(status));
  }
  const Json& ranks = At(status, "ranks");
  if (ranks.is_array() && !ranks.empty()) {
    text += fmt::format("  {:>5}  {:<16}  {:<8}  {:>7}  {:>9}  {:>7}\n", "rank", "host", "state", "spans", "labels/s",
                        "busy");
    const double slowest = Number(status, "slowest_rank", -1);
    for (const Json& rank : ranks) text += RankLine(rank, Number(rank, "rank", -2) == slowest);
  }
  const Json& events = At(status, "events");
  if (events.is_array() && !events.empty()) {
    text += "  last events\n";
    for (const Json& event : events) text += "    " + EventText(event) + "\n";
  }
  return text;
}

std::string PrometheusText(const Json& status) {
  Metrics metrics(Text(status, "store"));
  metrics.Family("run_info", "gauge", "The run of decant produce: 1.");
  metrics.Sample(
      1, {{"state", Text(status, "state")}, {"host", Text(status, "host")}, {"version", Text(status, "decant")}});
  metrics.Gauge("run_seconds", "Time since the run began.", Number(status, "seconds"));
  metrics.Gauge("updated_timestamp_seconds", "When this file was written.", Number(status, "unix_seconds"));
  metrics.Gauge("spans", "Spans that are to be labelled in all.", Number(status, "spans"));
  metrics.Gauge("spans_committed", "Spans that the store holds.", Number(status, "spans_committed"));
  metrics.Gauge("spans_assigned", "Spans that ranks are working on.", Number(status, "spans_assigned"));
  metrics.Gauge("labels", "Labels that are to be made in all.", Number(status, "labels"));
  metrics.Gauge("labels_committed", "Labels that the store holds.", Number(status, "labels_committed"));
  metrics.Gauge("labels_per_second", "Labels made a second, by all ranks.", Number(status, "labels_per_second"));
  metrics.Gauge("bytes", "Bytes of the store's span files.", Number(status, "bytes"));
  metrics.Gauge("eta_seconds", "Expected time until all spans are committed; NaN when unknown.",
                Number(status, "eta_seconds", std::nan("")));
  AddRanks(At(status, "ranks"), &metrics);
  return metrics.Take();
}

}  // namespace decant
