#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

struct ClusterBenchmarkOptions {
  std::string setting = "all";       // efficiency, coordinator, restart, scaling, or "all"
  uint32_t span_milliseconds = 200;  // efficiency: of a span on the slowest rank
  uint32_t ranks = 64;               // coordinator
  uint64_t files = 5000;             // coordinator: in the store already
  uint64_t chunks = 1'000'000;       // restart: of the store, in files of 250
  uint32_t max_ranks = 10'000;       // scaling: the largest job that is simulated
  // scaling: what a message costs rank 0 beyond the decisions; 0: what one between threads does, measured.
  double message_microseconds = 0;
  std::string csv;        // scaling: also write the rows to this file
  std::string directory;  // where a folder of its own is made, and removed at the end; empty: the system's
};

// Measures what the coordinator of a job can do; one object a setting, with its name as `setting`; figures by name:
// docs/cli.md. kInvalidArgument for a setting that is not there.
std::vector<nlohmann::ordered_json> RunClusterBenchmark(const ClusterBenchmarkOptions& options,
                                                        const std::function<void(const std::string&)>& progress);

}  // namespace decant
