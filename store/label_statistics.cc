#include "decant/store/label_statistics.h"

#include <algorithm>
#include <cmath>

#include "column_bits.h"

namespace decant {
namespace {

struct Place {
  uint32_t epoch;
  uint64_t chunk;
};

std::vector<Place> ReadableChunks(const StoreReader& store) {
  std::vector<Place> places;
  const Layout& layout = store.schema().layout;
  for (uint64_t index = 0; index < layout.num_spans(); ++index) {
    const Span span = layout.SpanAt(index);
    if (!store.ledger()[index] || store.expired(span.epoch)) continue;
    for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) places.push_back({span.epoch, chunk});
  }
  return places;
}

Histogram EvenBins(double begin, double end, size_t num_bins) {
  Histogram histogram;
  for (size_t i = 0; i <= num_bins; ++i) {
    histogram.edges.push_back(begin + (end - begin) * static_cast<double>(i) / static_cast<double>(num_bins));
  }
  histogram.counts.resize(num_bins);
  return histogram;
}

// Whole numbers 1 to k, in at most ten bins of equal width.
Histogram CountBins(uint32_t k) {
  const uint64_t width = (uint64_t{k} + 9) / 10;
  const uint64_t num_bins = (k + width - 1) / width;
  return EvenBins(1, static_cast<double>(1 + width * num_bins), num_bins);
}

Histogram TailBins() {
  Histogram histogram;
  histogram.edges = {0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.2, 0.5, 1};
  histogram.counts.resize(histogram.edges.size() - 1);
  return histogram;
}

double Information(double prob) {
  return prob > 0 ? -prob * std::log(prob) : 0;
}

// Adds label i; returns its likeliest class.
uint32_t AddLabel(const LabelBatch& labels, size_t i, LabelStatistics* statistics) {
  const auto log_probs = labels.LabelLogProbs(i);
  double entropy = Information(labels.tail_mass[i]);
  for (const float log_prob : log_probs) entropy += Information(std::exp(double{log_prob}));
  const auto top = std::max_element(log_probs.begin(), log_probs.end());
  statistics->entropy.Add(entropy);
  statistics->entries.Add(static_cast<double>(log_probs.size()));
  statistics->tail_mass.Add(labels.tail_mass[i]);
  statistics->top_prob.Add(std::exp(double{*top}));
  ++statistics->num_labels;
  return labels.LabelIds(i)[static_cast<size_t>(top - log_probs.begin())];
}

}  // namespace

void Histogram::Add(double value) {
  const auto above = std::upper_bound(edges.begin(), edges.end(), value) - edges.begin();
  ++counts[static_cast<size_t>(std::clamp<std::ptrdiff_t>(above - 1, 0, std::ssize(counts) - 1))];
  sum += value;
}

LabelStatistics SampleStatistics(const StoreReader& store, uint64_t max_chunks, uint64_t max_entries,
                                 const TrueClass& true_class) {
  const Schema& schema = store.schema();
  LabelStatistics statistics;
  statistics.entropy = EvenBins(0, std::log1p(static_cast<double>(schema.codec.k)), 10);
  statistics.entries = CountBins(schema.codec.k);
  statistics.tail_mass = TailBins();
  statistics.top_prob = EvenBins(0, 1, 10);

  const std::vector<Place> places = ReadableChunks(store);
  const uint64_t entries_of_chunk = uint64_t{schema.layout.chunk_size} * schema.codec.k;
  const uint64_t wanted = std::clamp<uint64_t>(max_entries / entries_of_chunk, 1, max_chunks);
  const uint64_t count = std::min<uint64_t>(wanted, places.size());
  ColumnBits bits(schema.codec, *schema.tables);
  uint64_t record_bytes = 0, fingerprint_bytes = 0;
  LabelBatch labels;
  for (uint64_t i = 0; i < count; ++i) {
    const auto [epoch, chunk] = places[i * places.size() / count];
    const LabelCodes codes = store.ReadChunkCodes(epoch, chunk);
    const uint32_t num_samples = schema.layout.ChunkSamples(chunk);
    record_bytes += store.codec().Encode({.epoch = epoch, .chunk = chunk, .num_samples = num_samples}, codes).size();
    fingerprint_bytes += codes.view_fingerprints.size() * sizeof(uint16_t);
    bits.Add(codes);
    labels.Clear();
    store.codec().Dequantise(codes, 0, codes.size(), &labels);
    for (size_t label = 0; label < labels.size(); ++label) {
      const uint32_t likeliest = AddLabel(labels, label, &statistics);
      if (!true_class || schema.codec.windows) continue;
      statistics.num_agreeing += likeliest == true_class(epoch, chunk * schema.layout.chunk_size + label);
    }
  }
  statistics.num_chunks = count;
  double around = static_cast<double>(record_bytes - fingerprint_bytes);
  for (size_t column = 0; column < kColumnNames.size(); ++column) {
    const double bytes = static_cast<double>(bits.bits(static_cast<Column>(column))) / 8;
    around -= bytes;
    if (bytes > 0) statistics.column_bytes.emplace_back(kColumnNames[column], bytes);
  }
  if (fingerprint_bytes > 0) {
    statistics.column_bytes.emplace_back("view_fingerprints", static_cast<double>(fingerprint_bytes));
  }
  statistics.column_bytes.emplace_back("chunks", around);
  return statistics;
}

}  // namespace decant
