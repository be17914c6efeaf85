#pragma once

#include <span>
#include <string>
#include <vector>

#include "decant/data/view_renderer.h"
#include "decant/producer/select.h"
#include "decant/producer/teacher.h"
#include "decant/store/schema.h"
#include "decant/store/span_writer.h"

namespace decant {

// Labels spans: renders the views, runs the teacher, selects, writes the span's file. Batches never straddle a chunk,
// so that a span's labels do not depend on who computes it. Not thread-safe.
class SpanLabeller {
 public:
  // `attempt` distinguishes this labeller's files from those of others. The references must outlive the labeller. A
  // schema without codec tables takes those that the store's writer left beside the staged spans.
  SpanLabeller(const Schema& schema, const ViewRenderer& views, Teacher& teacher, std::string store_path,
               std::string attempt);

  SpanFile Label(uint64_t span_index);
  // Codec tables learnt from schema.calibration.num_labels labels of epoch 0, evenly spread over its positions.
  CodecTables LearnCodecTables();

  // Appends the soft labels of `count` positions of an epoch, from `position` on, to `labels`. kInvalidArgument, naming
  // the sample, when the teacher's logits are not finite.
  void LabelPositions(uint32_t epoch, uint64_t position, size_t count, LabelBatch* labels);

 private:
  void LabelPositions(uint32_t epoch, std::span<const uint64_t> positions, LabelBatch* labels);

  Schema schema_;
  const ViewRenderer& views_;
  Teacher& teacher_;
  std::string store_path_;
  std::string attempt_;
  LabelSelector selector_;
  std::vector<uint8_t> images_;  // [chunk, H, W, C]
  std::vector<float> logits_;    // [chunk, num_classes]
};

}  // namespace decant
