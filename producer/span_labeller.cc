#include "decant/producer/span_labeller.h"

#include <algorithm>

#include "decant/base/error.h"

#include "stage_times.h"

namespace decant {

SpanLabeller::SpanLabeller(const Schema& schema, const BatchRenderer& renderer, Teacher& teacher,
                           const PipelineOptions& options, std::string attempt, Trace* trace)
    : schema_(schema),
      groups_(schema.layout, OrderFromIdentity(schema.order).epochs_per_order),
      batch_size_(teacher.batch_size()),
      attempt_(std::move(attempt)),
      trace_(trace),
      times_(std::make_unique<StageTimes>()),
      pipeline_(schema_, renderer, teacher, options, trace, times_.get()) {}

SpanLabeller::~SpanLabeller() = default;

LabellingTimes SpanLabeller::times() const {
  const auto seconds = [](const std::atomic<uint64_t>& nanoseconds) { return 1e-9 * static_cast<double>(nanoseconds); };
  return {.num_labels = times_->num_labels,
          .render_seconds = seconds(times_->render),
          .forward_seconds = seconds(times_->forward),
          .encode_seconds = seconds(times_->encode),
          .write_seconds = seconds(times_->write)};
}

std::vector<BatchPlan> SpanLabeller::PlanOf(uint64_t group) const {
  const std::vector<uint64_t> spans = groups_.SpansOf(group);
  const Span first = schema_.layout.SpanAt(spans.front());
  std::vector<BatchPlan> plans;
  for (uint64_t chunk = first.chunk_begin; chunk < first.chunk_end; ++chunk) {
    const uint64_t begin = chunk * schema_.layout.chunk_size;
    const uint64_t end = begin + schema_.layout.ChunkSamples(chunk);
    for (uint64_t position = begin; position < end; ++position) {
      if ((position - begin) % batch_size_ == 0) {
        plans.push_back({.epoch = first.epoch, .num_epochs = static_cast<uint32_t>(spans.size())});
      }
      plans.back().positions.push_back(position);
    }
  }
  return plans;
}

void SpanLabeller::Begin(const SpanFolders& folders) {
  folders_ = folders;
  if (!schema_.tables) {
    schema_.tables = std::make_shared<CodecTables>(ReadStagedTables(folders.staging, schema_.codec));
  }
}

void SpanLabeller::Abandon() {
  pipeline_.Abandon();
}

void SpanLabeller::Prepare(uint64_t group) {
  const std::lock_guard lock(mutex_);
  prepared_.push_back(group);
  pipeline_.Plan(PlanOf(group));
}

// Whether the group is planned already.
bool SpanLabeller::TakePrepared(uint64_t group) {
  const std::lock_guard lock(mutex_);
  if (prepared_.empty()) return false;
  if (prepared_.front() != group) {
    Fail(ErrorCode::kInternal, "span {} is labelled while {} was prepared", group, prepared_.front());
  }
  prepared_.pop_front();
  return true;
}

void SpanLabeller::Skip(uint64_t group) {
  if (!TakePrepared(group)) return;
  LabelBatch dropped;
  for (size_t num_left = PlanOf(group).size() * groups_.SpansOf(group).size(); num_left > 0; --num_left) {
    dropped.Clear();
    pipeline_.Next(&dropped);
  }
}

std::vector<SpanFile> SpanLabeller::Label(uint64_t group) {
  if (!TakePrepared(group)) pipeline_.Plan(PlanOf(group));
  const std::vector<uint64_t> spans = groups_.SpansOf(group);
  const Span first = schema_.layout.SpanAt(spans.front());
  std::deque<SpanWriter> writers;
  for (const uint64_t span : spans) {
    writers.emplace_back(schema_, folders_, schema_.layout.SpanAt(span), attempt_);
  }
  std::vector<LabelBatch> labels(spans.size());
  for (uint64_t chunk = first.chunk_begin; chunk < first.chunk_end; ++chunk) {
    const uint32_t num_samples = schema_.layout.ChunkSamples(chunk);
    for (LabelBatch& batch : labels) batch.Clear();
    for (uint64_t done = 0; done < num_samples; done += batch_size_) {
      for (LabelBatch& batch : labels) pipeline_.Next(&batch);
    }
    const StageScope scope(trace_, &times_->encode, "encode", num_samples * spans.size());
    for (size_t i = 0; i < spans.size(); ++i) {
      writers[i].AddChunk(labels[i]);
      times_->num_labels += labels[i].size();
    }
  }
  const StageScope scope(trace_, &times_->write, "write", spans.size());
  std::vector<SpanFile> files;
  for (SpanWriter& writer : writers) files.push_back(writer.Finish());
  return files;
}

CodecTables SpanLabeller::LearnCodecTables() {
  const std::vector<uint64_t> positions = CalibrationPositions(schema_);
  const size_t count = positions.size();
  LabelBatch labels;
  LabelPositions(0, positions, &labels);
  const TraceScope scope(trace_, "calibrate", count);
  Schema learnt = schema_;
  learnt.tables = std::make_shared<CodecTables>(LearnTables(schema_.codec, labels, schema_.calibration.prior));
  const ChunkCodec codec = MakeCodec(learnt);
  const std::string record = codec.Encode({.num_samples = static_cast<uint32_t>(count)}, codec.Quantise(labels));
  bytes_per_sample_ = static_cast<double>(record.size()) / static_cast<double>(count);
  return *learnt.tables;
}

void SpanLabeller::LabelPositions(uint32_t epoch, std::span<const uint64_t> positions, LabelBatch* labels) {
  std::vector<BatchPlan> plans;
  for (size_t begin = 0; begin < positions.size(); begin += batch_size_) {
    const auto batch = positions.subspan(begin, std::min<size_t>(batch_size_, positions.size() - begin));
    plans.push_back({.epoch = epoch, .positions = {batch.begin(), batch.end()}});
  }
  const size_t num_batches = plans.size();
  pipeline_.Plan(std::move(plans));
  for (size_t i = 0; i < num_batches; ++i) pipeline_.Next(labels);
}

}  // namespace decant
