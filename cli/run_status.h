#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/cluster/run_job.h"

namespace decant {

// A part of a dataset that a run labels into a store of its own: --partition index/count.
struct Partition {
  uint64_t index = 0;
  uint64_t count = 1;
};

// What is known of a run from its beginning.
struct RunFacts {
  std::string store;    // its path
  std::string host;     // of rank 0
  std::string version;  // of Decant
  int64_t pid = 0;
  int num_ranks = 1;
  std::string schema_digest;
  std::optional<Partition> partition;
  uint64_t spans_planned = 0;   // of the partition, if there is one, else of the store
  uint64_t labels_planned = 0;  // the same
};

// What the store holds.
struct StoreCounts {
  uint64_t spans = 0;
  uint64_t labels = 0;
  uint64_t bytes = 0;  // of the span files
};

// How a run ended.
struct RunOutcome {
  std::string state;   // "complete", "stopped", "failed"
  int exit_code = 0;   // of the process
  std::string text;    // what stopped it
  std::string digest;  // of a complete store
};

struct LoggedEvent {
  std::chrono::system_clock::time_point time;
  std::string kind;
  nlohmann::ordered_json fields;  // an object
};

// Everything that status.json is made of.
struct RunSnapshot {
  std::chrono::system_clock::time_point now;
  uint64_t beat = 0;  // counts the snapshots of this run
  double interval_seconds = 0;
  double seconds = 0;  // since the run began
  StoreCounts begun_with;
  StoreCounts committed;
  JobStatus job;
  std::vector<double> rank_seconds;  // since each rank was ready
  std::vector<LoggedEvent> events;   // the last few, oldest first
  std::optional<RunOutcome> outcome;
};

// "2026-01-31T12:00:00.125Z".
std::string TimeText(std::chrono::system_clock::time_point time);
// The line of run.jsonl: {"time": ..., "event": kind, ...fields}.
nlohmann::ordered_json EventJson(const LoggedEvent& event);
// What status.json says (docs/cluster.md names its keys).
nlohmann::ordered_json RunStatusJson(const RunFacts& facts, const RunSnapshot& snapshot);

}  // namespace decant
