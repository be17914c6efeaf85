#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "decant/producer/span_labels.h"
#include "decant/store/schema.h"
#include "decant/store/soft_label.h"

namespace decant {

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
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
