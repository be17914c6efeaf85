#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "decant/data/order.h"
#include "decant/producer/select.h"
#include "decant/producer/span_labels.h"
#include "decant/store/chunk_codec.h"
#include "decant/store/schema.h"
#include "decant/store/span_writer.h"

namespace decant {

// What all spans of a store are labelled with.
struct SpanTools {
  explicit SpanTools(const Schema& a_schema)
      : schema(a_schema), codec(MakeCodec(a_schema)), selector(schema.codec, schema.selection, schema.seed) {}

  Order OrderOf(uint32_t epoch) const {
    return Order(OrderFromIdentity(schema.order), schema.seed, epoch, schema.layout.num_samples);
  }

  const Schema schema;
  const ChunkCodec codec;
  LabelSelector selector;
};

struct SpanLabels::Impl {
  using CommitSpan = std::function<void(const std::function<SpanFile()>& finish)>;
  // Of a span, as a file. `commit` makes permanent what the function that it gets finishes.
  Impl(SpanTools& tools, const Span& span, const SpanFolders& folders, const std::string& attempt, CommitSpan commit);
  // Of calibration labels: those of epoch 0 at positions that are evenly spread. `commit` gets the labels.
  Impl(SpanTools& tools, std::function<void(const LabelBatch&)> commit);

  std::string Place() const;
  void RequireRoom(size_t num_samples) const;
  void RequireColumns(size_t num_rows, const RowColumns& columns) const;
  void Select(std::span<const float> logits, const RowColumns& columns);
  void Take(const LabelBatch& labels, size_t num_samples);
  void Check(const LabelBatch& labels) const;

  SpanTools& tools;
  const std::optional<Span> span;  // none: calibration
  std::optional<SpanWriter> file;  // of the span
  CommitSpan commit_span;
  std::function<void(const LabelBatch&)> commit_calibration;
  std::vector<uint64_t> positions;
  std::vector<uint64_t> sample_ids;
  size_t num_put = 0;
  LabelBatch chunk;  // that is being filled; of a calibration, all labels
  LabelBatch selected;
};

}  // namespace decant
