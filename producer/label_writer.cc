#include "decant/producer/label_writer.h"

#include <algorithm>
#include <optional>

#include "decant/base/error.h"
#include "decant/data/order.h"
#include "decant/producer/select.h"
#include "decant/store/store_writer.h"

namespace decant {
namespace {

StoreWriter::Calibrator LearnFrom(const Schema& schema, const LabelWriter::Calibration& calibration) {
  if (schema.calibration.num_labels == 0) return {};
  return [&schema, &calibration] {
    const LabelBatch labels = calibration ? calibration() : LabelBatch();
    if (labels.size() != schema.calibration.num_labels) {
      Fail(ErrorCode::kInvalidArgument, "the schema asks for {} calibration labels, found {}",
           schema.calibration.num_labels, labels.size());
    }
    return LearnTables(schema.codec, labels, schema.calibration.prior);
  };
}

}  // namespace

struct LabelWriter::Impl {
  Impl(const std::string& a_path, const Schema& schema, const Calibration& calibration)
      : path(a_path),
        store(path, schema, LearnFrom(schema, calibration)),
        codec(MakeCodec(store.schema())),
        selector(schema.codec, schema.selection, schema.seed) {
    store.Adopt();
  }

  Order OrderOf(uint32_t epoch) const {
    const Schema& schema = store.schema();
    return Order(OrderFromIdentity(schema.order), schema.seed, epoch, schema.layout.num_samples);
  }

  const std::string path;
  StoreWriter store;
  const ChunkCodec codec;
  LabelSelector selector;
  uint64_t num_begun = 0;
};

struct SpanLabels::Impl {
  Impl(LabelWriter::Impl& a_writer, uint64_t index)
      : writer(a_writer),
        schema(a_writer.store.schema()),
        span(schema.layout.SpanAt(index)),
        file(schema, a_writer.path, span, fmt::format("writer-{}", a_writer.num_begun++)),
        begin(span.chunk_begin * schema.layout.chunk_size),
        end(std::min(span.chunk_end * schema.layout.chunk_size, schema.layout.num_samples)),
        position(begin),
        next_chunk(span.chunk_begin) {}

  void RequireRoom(size_t num_samples) const;
  void Take(const LabelBatch& labels, size_t num_samples);
  void Check(const LabelBatch& labels) const;
  std::string Place() const {
    return fmt::format("span {}, from position {} of epoch {}", span.index, position, span.epoch);
  }

  LabelWriter::Impl& writer;
  const Schema& schema;
  const Span span;
  SpanWriter file;
  const uint64_t begin, end;  // positions
  uint64_t position;          // that comes next
  uint64_t next_chunk;
  LabelBatch chunk;  // that is being filled
  LabelBatch selected;
};

void SpanLabels::Impl::RequireRoom(size_t num_samples) const {
  if (num_samples <= end - position) return;
  Fail(ErrorCode::kInvalidArgument, "{}: expected labels of at most {} samples, found {}", Place(), end - position,
       num_samples);
}

// Refuses now what the codec would refuse when the chunk is full.
void SpanLabels::Impl::Check(const LabelBatch& labels) const {
  try {
    writer.codec.Quantise(labels);
  } catch (const Error& error) {
    Fail(error.code(), "{}: {}", Place(), error.what());
  }
}

void SpanLabels::Impl::Take(const LabelBatch& labels, size_t num_samples) {
  for (size_t taken = 0; taken < num_samples;) {
    const uint64_t chunk_end = std::min((next_chunk + 1) * schema.layout.chunk_size, end);
    const auto count = static_cast<size_t>(std::min<uint64_t>(chunk_end - position, num_samples - taken));
    chunk.AppendSamples(labels, taken, taken + count);
    taken += count;
    position += count;
    if (position < chunk_end) continue;
    file.AddChunk(chunk);
    chunk.Clear();
    ++next_chunk;
  }
}

SpanLabels::SpanLabels(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SpanLabels::~SpanLabels() = default;
SpanLabels::SpanLabels(SpanLabels&&) noexcept = default;
SpanLabels& SpanLabels::operator=(SpanLabels&&) noexcept = default;

uint64_t SpanLabels::num_samples() const {
  return impl_->end - impl_->begin;
}

uint64_t SpanLabels::num_put() const {
  return impl_->position - impl_->begin;
}

void SpanLabels::PutLogits(std::span<const float> logits, std::span<const uint32_t> true_classes) {
  Impl& self = *impl_;
  const CodecParams& params = self.schema.codec;
  if (params.windows) {
    Fail(ErrorCode::kInvalidArgument, "{}: a store of windows takes labels with their windows, not rows", self.Place());
  }
  if (params.view_fingerprints) {
    Fail(ErrorCode::kInvalidArgument, "{}: a store with fingerprints of views takes labels with theirs, not rows",
         self.Place());
  }
  if (logits.size() % params.num_classes != 0) {
    Fail(ErrorCode::kInvalidArgument, "{}: {} logits are not rows of {} classes", self.Place(), logits.size(),
         params.num_classes);
  }
  const size_t num_rows = logits.size() / params.num_classes;
  self.RequireRoom(num_rows);
  if (true_classes.size() != (params.true_label ? num_rows : 0)) {
    Fail(ErrorCode::kInvalidArgument, "{}: expected {} true classes, found {}", self.Place(),
         params.true_label ? num_rows : 0, true_classes.size());
  }
  std::optional<Order> order;
  if (self.schema.selection.kind == Selection::kSample) order = self.writer.OrderOf(self.span.epoch);
  self.selected.Clear();
  for (size_t row = 0; row < num_rows; ++row) {
    SelectedView view = {.epoch = self.span.epoch};
    if (order) view.sample_id = order->SampleAt(self.position + row);
    if (params.true_label) view.true_class = true_classes[row];
    try {
      self.writer.selector.Append(logits.subspan(row * params.num_classes, params.num_classes), view, &self.selected);
    } catch (const Error& error) {
      Fail(error.code(), "{}: row {}: {}", self.Place(), row, error.what());
    }
  }
  if (params.values != Values::kLogProbs) self.Check(self.selected);
  self.Take(self.selected, num_rows);
}

void SpanLabels::Put(const LabelBatch& labels) {
  Impl& self = *impl_;
  const size_t num_samples = self.schema.codec.windows ? labels.window_hashes.size() : labels.size();
  self.RequireRoom(num_samples);
  self.Check(labels);
  self.Take(labels, num_samples);
}

void SpanLabels::Commit() {
  Impl& self = *impl_;
  if (self.position < self.end) {
    Fail(ErrorCode::kInvalidArgument, "span {} of epoch {}: expected labels of {} samples, found {}", self.span.index,
         self.span.epoch, num_samples(), num_put());
  }
  if (!self.writer.store.IsMissing(self.span.index)) {
    Fail(ErrorCode::kInvalidArgument, "{}: span {} is committed already", self.writer.path, self.span.index);
  }
  self.writer.store.Commit({self.file.Finish()});
}

LabelWriter::LabelWriter(const std::string& path, const Schema& schema, const Calibration& calibration)
    : impl_(std::make_unique<Impl>(path, schema, calibration)) {}
LabelWriter::~LabelWriter() = default;
LabelWriter::LabelWriter(LabelWriter&&) noexcept = default;
LabelWriter& LabelWriter::operator=(LabelWriter&&) noexcept = default;

const Schema& LabelWriter::schema() const {
  return impl_->store.schema();
}

std::vector<uint64_t> LabelWriter::MissingSpans() const {
  return impl_->store.MissingSpans();
}

std::vector<uint64_t> LabelWriter::SampleIds(uint64_t span_index) const {
  const Layout& layout = schema().layout;
  const Span span = layout.SpanAt(span_index);
  const Order order = impl_->OrderOf(span.epoch);
  std::vector<uint64_t> ids;
  const uint64_t end = std::min(span.chunk_end * layout.chunk_size, layout.num_samples);
  for (uint64_t position = span.chunk_begin * layout.chunk_size; position < end; ++position) {
    ids.push_back(order.SampleAt(position));
  }
  return ids;
}

SpanLabels LabelWriter::Begin(uint64_t span) {
  schema().layout.SpanAt(span);
  if (!impl_->store.IsMissing(span)) {
    Fail(ErrorCode::kInvalidArgument, "{}: span {} is committed already", impl_->path, span);
  }
  return SpanLabels(std::make_unique<SpanLabels::Impl>(*impl_, span));
}

std::string LabelWriter::Seal() {
  if (const auto missing = MissingSpans(); !missing.empty()) {
    Fail(ErrorCode::kInvalidArgument, "{}: {} spans are missing, the first is span {}", impl_->path, missing.size(),
         missing.front());
  }
  return impl_->store.Seal();
}

}  // namespace decant
