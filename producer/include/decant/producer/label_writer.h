#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "decant/store/schema.h"
#include "decant/store/soft_label.h"

namespace decant {

class SpanLabels;

// Puts labels from any source into a store, which it creates or continues: a span is committed as a whole or not at
// all, and the store's digest does not depend on the order of the spans or the size of the batches.
//
//   LabelWriter writer(path, schema);
//   for (const uint64_t span : writer.MissingSpans()) {
//     SpanLabels labels = writer.Begin(span);
//     labels.PutLogits(...);  // or Put(), until all samples are there
//     labels.Commit();
//   }
//   writer.Seal();
//
// One writer a store: a second one is refused with kUnavailable. Not thread-safe.
class LabelWriter {
 public:
  // Gives the calibration labels of a new store.
  using Calibration = std::function<LabelBatch()>;
  // Throws what StoreWriter does: kMismatch, naming the fields, for a store that was begun with another schema. A new
  // store's codec tables are learnt from what `calibration` returns, schema.calibration.num_labels labels that are like
  // those to come, for instance of a few hundred samples spread over the dataset: kInvalidArgument for another number.
  // Without such labels (num_labels = 0) the tables are `schema`'s own or the default ones, which take more bytes. A
  // store that exists has its tables: `calibration` is not called.
  LabelWriter(const std::string& path, const Schema& schema, const Calibration& calibration = {});
  ~LabelWriter();
  LabelWriter(LabelWriter&&) noexcept;
  LabelWriter& operator=(LabelWriter&&) noexcept;

  // Complete, with codec tables.
  const Schema& schema() const;
  // Ascending. A span that was begun, but not committed, is missing.
  std::vector<uint64_t> MissingSpans() const;
  // The samples of a span in the order of its positions, by the schema's order. kMismatch when the schema has none that
  // this build knows.
  std::vector<uint64_t> SampleIds(uint64_t span) const;

  // kInvalidArgument for a span that is committed or that the store has not. The result must not outlive the writer.
  SpanLabels Begin(uint64_t span);

  // When no span is missing, otherwise kInvalidArgument: makes the store read-only, returns its digest.
  std::string Seal();

 private:
  friend class SpanLabels;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The labels of one span, in the order of its positions, in batches of any size. What is not committed is gone with the
// object. A refused batch leaves everything as it was.
class SpanLabels {
 public:
  ~SpanLabels();
  SpanLabels(SpanLabels&&) noexcept;
  SpanLabels& operator=(SpanLabels&&) noexcept;

  // Samples that the span has, and of those the number that is there.
  uint64_t num_samples() const;
  uint64_t num_put() const;

  // The next samples' logits, [n, num_classes] row by row: selects as the schema says. `true_classes`, [n], when labels
  // have their true class's log-probability. kInvalidArgument, naming the row, for NaN or infinity, for more rows than
  // the span has left, and for a store of windows.
  void PutLogits(std::span<const float> logits, std::span<const uint32_t> true_classes = {});
  // The next samples' labels, with the columns of the schema; in a store of windows, whole windows. kInvalidArgument
  // as ChunkCodec::Quantise(), and for more samples than the span has left.
  void Put(const LabelBatch& labels);

  // Durable when it returns. kInvalidArgument, and nothing else happens, when samples are missing.
  void Commit();

 private:
  friend class LabelWriter;
  struct Impl;
  explicit SpanLabels(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
