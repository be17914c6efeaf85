#pragma once

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "decant/store/store_writer.h"

#include "unit/random_labels.h"

namespace decant {

// 22 samples in chunks of 4, spans of 2 chunks: 3 spans an epoch, the last one short in both
// respects.
inline Schema SmallSchema(uint32_t num_epochs = 2) {
  Schema schema;
  schema.layout = {.num_samples = 22, .num_epochs = num_epochs, .chunk_size = 4, .span_chunks = 2};
  schema.codec = {.num_classes = 10, .k = 3, .delta = 0.125, .temperatures = {2}};
  schema.seed = 5;
  schema.dataset = {{"kind", "array"}, {"fingerprint", "abc"}};
  schema.order = {{"kind", "global"}, {"version", 1}};
  schema.teacher = {{"digest", "def"}};
  schema.provenance = {{"host", "here"}};
  schema.tables = std::make_shared<CodecTables>(DefaultTables(schema.codec));
  return schema;
}

// What the samples of a test store have beside labels; windows are of 1 to 3 tokens.
inline uint32_t TokensOf(uint64_t position) {
  return static_cast<uint32_t>(1 + position % 3);
}
inline uint64_t WindowHashOf(uint32_t epoch, uint64_t position) {
  return (position + 1) * 0x9e3779b97f4a7c15 + epoch;
}
inline uint16_t FingerprintOf(uint32_t epoch, uint64_t position) {
  return static_cast<uint16_t>(WindowHashOf(epoch, position) >> 40);
}

// The labels that every test store has in a chunk, before they are quantised.
inline LabelBatch LabelsOfChunk(const Schema& schema, uint32_t epoch, uint64_t chunk) {
  const uint64_t begin = chunk * schema.layout.chunk_size;
  const uint64_t end = begin + schema.layout.ChunkSamples(chunk);
  uint32_t num_tokens = 0;
  for (uint64_t position = begin; position < end; ++position) num_tokens += TokensOf(position);
  LabelBatch labels = RandomLabels({.num_labels = schema.codec.windows ? num_tokens : end - begin,
                                    .num_classes = schema.codec.num_classes,
                                    .k = schema.codec.k,
                                    .variable_counts = chunk % 2 == 1,
                                    .seed = 1000 * epoch + chunk});
  for (uint64_t position = begin; position < end; ++position) {
    if (schema.codec.windows) {
      labels.window_offsets.push_back(labels.window_offsets.back() + TokensOf(position));
      labels.window_hashes.push_back(WindowHashOf(epoch, position));
    }
    if (schema.codec.view_fingerprints) labels.view_fingerprints.push_back(FingerprintOf(epoch, position));
  }
  return labels;
}

// The same after the codec: what a reader must give.
inline LabelBatch StoredLabelsOfChunk(const Schema& schema, uint32_t epoch, uint64_t chunk) {
  const ChunkCodec codec(schema.codec);
  const LabelCodes codes = codec.Quantise(LabelsOfChunk(schema, epoch, chunk));
  LabelBatch labels;
  codec.Dequantise(codes, 0, codes.size(), &labels);
  return labels;
}

inline SpanFile WriteSpan(const Schema& schema, const SpanFolders& folders, uint64_t index,
                          const std::string& attempt = "a") {
  const Span span = schema.layout.SpanAt(index);
  SpanWriter writer(schema, folders, span, attempt);
  for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
    writer.AddChunk(LabelsOfChunk(schema, span.epoch, chunk));
  }
  return writer.Finish();
}

inline SpanFile WriteSpan(const Schema& schema, const std::string& path, uint64_t index,
                          const std::string& attempt = "a") {
  return WriteSpan(schema, FoldersOf(path), index, attempt);
}

// Makes a store with these spans, committed one by one in this order. Sealed when it is complete.
inline void MakeStore(const std::string& path, const Schema& schema, const std::vector<uint64_t>& spans) {
  StoreWriter writer(path, schema);
  for (const uint64_t span : spans) writer.Commit({WriteSpan(schema, path, span)});
  if (writer.MissingSpans().empty()) writer.Seal();
}

inline void MakeCompleteStore(const std::string& path, const Schema& schema) {
  std::vector<uint64_t> spans(schema.layout.num_spans());
  std::iota(spans.begin(), spans.end(), 0);
  MakeStore(path, schema, spans);
}

// The folder of the newest generation of the database.
inline std::string DatabaseFolder(const std::string& store_path) {
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(store_path)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("db") && name > newest) newest = name;
  }
  return store_path + "/" + newest;
}

// The database's files whose names begin and end so, ascending by name.
inline std::vector<std::string> DatabaseFiles(const std::string& store_path, const std::string& prefix,
                                              const std::string& suffix = "") {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(DatabaseFolder(store_path))) {
    const std::string name = entry.path().filename();
    if (name.starts_with(prefix) && name.ends_with(suffix)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline bool SameLabels(const LabelBatch& a, const LabelBatch& b) {
  return a.offsets == b.offsets && a.ids == b.ids && a.log_probs == b.log_probs && a.tail_mass == b.tail_mass;
}

}  // namespace decant
