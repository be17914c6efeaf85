#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "decant/base/trace.h"
#include "decant/producer/batch_renderer.h"
#include "decant/producer/teacher.h"
#include "decant/store/schema.h"

namespace decant {

struct PipelineOptions {
  uint32_t decode_threads = 1;  // threads that decode and render
  uint32_t replicas = 1;        // threads that run the teacher, each a forward pass of its own
  uint32_t queue_depth = 2;     // batches that wait for each of these threads, at most
};

// Positions that go through the teacher together, in `num_epochs` epochs that share an order.
struct BatchPlan {
  uint32_t epoch = 0;  // the first one
  uint32_t num_epochs = 1;
  std::vector<uint64_t> positions;  // at most the teacher's batch size
};

// Labels batches: threads render views, threads run the teacher and select, and whoever calls Next() takes the labels
// in the order in which the batches were planned. Memory is bounded by the batches in flight, whose number follows from
// the options. The first error of any thread stops all of them, and is what Next() throws.
class LabelPipeline {
 public:
  // The references must outlive the pipeline. `trace` may be null.
  LabelPipeline(const Schema& schema, const BatchRenderer& renderer, Teacher& teacher, const PipelineOptions& options,
                Trace* trace);
  // Drops what is planned and waits for the batches under way.
  ~LabelPipeline();
  LabelPipeline(const LabelPipeline&) = delete;
  LabelPipeline& operator=(const LabelPipeline&) = delete;

  // Plans further batches. Thread-safe.
  void Plan(std::vector<BatchPlan> plans);
  // Appends the labels of the next planned batch to `labels`: epoch by epoch for each plan. One caller. Throws what
  // stopped the pipeline: kInvalidArgument, naming the sample, when the teacher's logits are not finite.
  void Next(LabelBatch* labels);
  // Stops the pipeline: Next() throws kCancelled. Thread-safe.
  void Abandon();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
