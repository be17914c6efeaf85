#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "decant/producer/label_pipeline.h"
#include "decant/producer/span_groups.h"
#include "decant/store/schema.h"
#include "decant/store/span_writer.h"

namespace decant {

// Labels spans: renders the views, runs the teacher, selects, encodes and writes the spans' files. Batches never
// straddle a chunk, so that a span's labels do not depend on who computes it. Not thread-safe but for Prepare().
class SpanLabeller {
 public:
  // `attempt` distinguishes this labeller's files from those of others. The references must outlive the labeller;
  // `trace` may be null.
  SpanLabeller(const Schema& schema, const BatchRenderer& renderer, Teacher& teacher, const PipelineOptions& options,
               std::string attempt, Trace* trace = nullptr);
  ~SpanLabeller();

  const SpanGroups& groups() const { return groups_; }
  // Before the first Label(): where files are made. A schema without codec tables takes those that the store's writer
  // left there.
  void Begin(const SpanFolders& folders);
  // Says that Label() will be called for a group, after those that were prepared before: its views are rendered while
  // these are still being labelled. Thread-safe.
  void Prepare(uint64_t group);
  // Labels the spans of a group. kCancelled after Abandon().
  std::vector<SpanFile> Label(uint64_t group);
  // Instead of Label(), when others label the group: what was prepared of it is dropped.
  void Skip(uint64_t group);
  // Ends a Label() that is under way, soon, and all that follow. Thread-safe.
  void Abandon();

  // Thread-safe.
  LabellingTimes times() const;

  // Codec tables learnt from schema.calibration.num_labels labels of epoch 0, evenly spread over its positions.
  CodecTables LearnCodecTables();
  // Bytes of a sample's labels as those tables code them; 0 before LearnCodecTables().
  double bytes_per_sample() const { return bytes_per_sample_; }
  // Appends the soft labels of `positions` in an epoch to `labels`.
  void LabelPositions(uint32_t epoch, std::span<const uint64_t> positions, LabelBatch* labels);

 private:
  std::vector<BatchPlan> PlanOf(uint64_t group) const;
  bool TakePrepared(uint64_t group);

  Schema schema_;
  SpanGroups groups_;
  uint32_t batch_size_;
  SpanFolders folders_;
  std::string attempt_;
  Trace* trace_;
  double bytes_per_sample_ = 0;
  std::unique_ptr<StageTimes> times_;
  std::mutex mutex_;
  std::deque<uint64_t> prepared_;  // groups that are planned, and not taken yet
  LabelPipeline pipeline_;
};

}  // namespace decant
