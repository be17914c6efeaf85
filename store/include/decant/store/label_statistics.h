#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "decant/store/store_reader.h"

namespace decant {

// How many labels have a value in [edges[i], edges[i + 1]); the last bin has its upper edge too.
struct Histogram {
  std::vector<double> edges;     // [num_bins + 1], ascending
  std::vector<uint64_t> counts;  // [num_bins]
  double sum = 0;

  // Values beyond the edges count in the first and the last bin.
  void Add(double value);
};

// What a sample of a store's labels is like, at the first temperature.
struct LabelStatistics {
  uint64_t num_chunks = 0;
  uint64_t num_labels = 0;
  // Bytes of the chunks' records by what they are spent on. Those of a name that the store has not are left out. All of
  // them together are the bytes of the records.
  std::vector<std::pair<std::string, double>> column_bytes;
  Histogram entropy;          // nats, the tail as one bucket
  Histogram entries;          // of a label
  Histogram tail_mass;        // bins by powers of ten
  Histogram top_prob;         // of the likeliest class
  uint64_t num_agreeing = 0;  // labels whose likeliest class is the true one, when that is known
};

// The true class of the sample at a position.
using TrueClass = std::function<uint32_t(uint32_t epoch, uint64_t position)>;

// Reads chunks of the epochs that are there, evenly spread, at most `max_chunks` and about `max_entries`. Without
// labels all counts are 0. `true_class` may be empty, and is not asked for windows of tokens.
LabelStatistics SampleStatistics(const StoreReader& store, uint64_t max_chunks, uint64_t max_entries,
                                 const TrueClass& true_class);

}  // namespace decant
