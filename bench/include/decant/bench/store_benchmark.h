#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

struct StoreBenchmarkOptions {
  uint64_t num_labels = 1'000'000;
  uint32_t num_classes = 21841;
  uint32_t k = 100;
  uint64_t seed = 1;
  uint32_t span_chunks = 64;
  std::string directory;  // where a folder of its own is made, and removed at the end; empty: the system's
};

struct ReadFigures {
  double labels_per_second = 0;
  double p99_microseconds = 0;  // of one label; 0 for sequential reading
};

// One way to keep labels on disk, read by one thread.
struct StoreRow {
  std::string store;
  uint64_t num_labels = 0;
  double bytes_per_label = 0;  // of all files
  double write_labels_per_second = 0;
  double open_milliseconds = 0;
  double open_resident_mebibytes = 0;  // that opening added
  // Cold: after the files' pages were dropped with posix_fadvise.
  ReadFigures sequential_warm, sequential_cold, random_warm, random_cold;
};

// Writes the same labels in each way, checks that they come back, and measures reading: ids and log-probabilities of
// whole labels, into a LabelBatch. Throws what the stores throw; leaves no file behind.
std::vector<StoreRow> RunStoreBenchmark(const StoreBenchmarkOptions& options,
                                        const std::function<void(const std::string&)>& progress);

// A large Decant store alone.
struct ScaleReport {
  uint64_t num_labels = 0;
  uint64_t final_bytes = 0;
  uint64_t disk_bytes_written = 0;  // that the kernel counted for this process, from creation to seal
  double write_seconds = 0;
  double verify_seconds = 0;
  uint64_t labels_verified = 0;
  double open_milliseconds = 0, open_cold_milliseconds = 0;
  double open_resident_mebibytes = 0;
  ReadFigures sequential, random;
  std::vector<std::pair<uint64_t, double>> peak_mebibytes;  // of resident memory, after so many labels written
};

// Writes, verifies, opens and reads a store. The labels are 2^16 different ones again and again, each chunk beginning
// at another of them: making new ones would take longer than everything that is measured. kDataLoss when the store
// does not verify.
ScaleReport RunScaleBenchmark(const StoreBenchmarkOptions& options,
                              const std::function<void(const std::string&)>& progress);

// The fields by name; ReadFigures as "<which>_labels_per_second" and "<which>_p99_microseconds".
nlohmann::ordered_json ToJson(const StoreRow& row);
nlohmann::ordered_json ToJson(const ScaleReport& report);

}  // namespace decant
