#pragma once

#include <memory>
#include <string>

#include "run_status.h"

namespace decant {

struct RunReportOptions {
  std::string metrics;          // a file in Prometheus' text format to keep up to date; empty: none
  double interval_seconds = 0;  // between two of status.json; 0: 2 s, above 1,000 ranks 10 s
  double patience_seconds = 5;  // Finish() waits so long for a file system that hangs
  bool progress = true;         // whether to show the progress line on stderr
};

// What a run tells of itself beside the labels: STORE/status.json (replaced every few seconds), STORE/run.jsonl (a line
// an event), Prometheus' text file and the progress line on stderr. Files are written on a thread of its own: a full
// disk is complained of once for each file, on stderr, and a file system that hangs holds nobody up. Thread-safe. STORE
// must exist.
class RunReport {
 public:
  // Logs `begin`. `counts` is what the store holds already.
  RunReport(const RunFacts& facts, const StoreCounts& counts, const RunReportOptions& options = {});
  // Finishes as "failed" when Finish() was not called.
  ~RunReport();
  RunReport(const RunReport&) = delete;
  RunReport& operator=(const RunReport&) = delete;

  // For CoordinatorHooks::tick. Copies what it needs, logs the events.
  void Tick(const JobStatus& job);
  // For CoordinatorHooks::commit, after the store's Commit(): what was new in it. Logs `commit`, unless that is
  // nothing.
  void Committed(const StoreCounts& added);
  // Logs something else: `adopted`, `takeover`, ... `fields` is an object.
  void Log(const std::string& kind, nlohmann::ordered_json fields = nlohmann::ordered_json::object());
  // Logs how the run ended (`complete`, `stop`, `failed`), writes the last status and ends the progress line. Only the
  // first call counts.
  void Finish(const RunOutcome& outcome);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the thread, which may hang
};

}  // namespace decant
