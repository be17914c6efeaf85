#include "decant/consumer/stream.h"

#include <algorithm>
#include <exception>
#include <thread>

#include "decant/base/bounded_queue.h"
#include "decant/base/error.h"

namespace decant {
namespace {

// A decoded chunk, or what reading it threw.
struct Chunk {
  LabelBatch labels;
  std::exception_ptr error;
};

}  // namespace

struct Stream::Impl {
  Impl(std::shared_ptr<const StoreReader> a_store, const StreamOptions& an_options, const StreamState& a_state)
      : store(std::move(a_store)),
        layout(store->schema().layout),
        order_spec(OrderFromIdentity(store->schema().order)),
        options(an_options),
        state(a_state),
        chunks(std::max(1u, an_options.chunks_read_ahead)) {
    CheckState();
    CheckEpochs();
    if (state.position == layout.num_samples) {
      state.position = 0;
      ++state.epoch;
    }
    reader = std::jthread([this, start = state] { ReadAhead(start); });
  }
  ~Impl() { chunks.Close(); }

  void CheckState() const;
  void CheckEpochs() const;
  void ReadAhead(const StreamState& start);
  uint32_t StoreEpoch(uint32_t epoch) const { return epoch % layout.num_epochs; }
  // Makes `current` the next chunk. Throws, again and again, what reading it threw.
  void Advance();

  const std::shared_ptr<const StoreReader> store;
  const Layout layout;
  const OrderSpec order_spec;
  const StreamOptions options;
  StreamState state;
  BoundedQueue<Chunk> chunks;
  Chunk current;
  bool has_current = false;
  std::jthread reader;  // last: it uses all of the above
};

void Stream::Impl::CheckState() const {
  const std::string digest = SchemaDigest(store->schema());
  if (state.schema_digest != digest) {
    Fail(ErrorCode::kMismatch, "{}: the stream's state belongs to another store: schema digest expected {}, found {}",
         store->path(), state.schema_digest, digest);
  }
  if (state.position > layout.num_samples || options.batch_size == 0) {
    Fail(ErrorCode::kInvalidArgument, "{}: a stream at position {} of {} with batches of {}", store->path(),
         state.position, layout.num_samples, options.batch_size);
  }
}

void Stream::Impl::CheckEpochs() const {
  const uint32_t last = std::min(options.num_epochs, layout.num_epochs);
  for (uint64_t span = 0; span < last * layout.spans_per_epoch(); ++span) {
    if (!store->ledger()[span]) {
      Fail(ErrorCode::kNotFound,
           "{}: epoch {} is not complete ({} of {} spans are labelled); run `decant produce` again", store->path(),
           layout.SpanAt(span).epoch, store->num_committed_spans(), layout.num_spans());
    }
  }
}

void Stream::Impl::ReadAhead(const StreamState& start) {
  uint64_t first_chunk = start.position / layout.chunk_size;
  for (uint32_t epoch = start.epoch; epoch < options.num_epochs; ++epoch) {
    for (uint64_t index = first_chunk; index < layout.chunks_per_epoch(); ++index) {
      Chunk chunk;
      try {
        store->ReadChunk(StoreEpoch(epoch), index, &chunk.labels);
      } catch (...) {
        chunk.error = std::current_exception();
      }
      const bool failed = chunk.error != nullptr;
      if (!chunks.Push(std::move(chunk)) || failed) return;
    }
    first_chunk = 0;
  }
  chunks.Close();
}

void Stream::Impl::Advance() {
  if (!current.error) {
    std::optional<Chunk> next = chunks.Pop();
    if (!next) Fail(ErrorCode::kInternal, "{}: the stream ended early", store->path());
    current = std::move(*next);
  }
  if (current.error) std::rethrow_exception(current.error);
  has_current = true;
}

Stream::Stream(std::shared_ptr<const StoreReader> store, const StreamOptions& options) {
  const StreamState start = {.schema_digest = SchemaDigest(store->schema())};
  impl_ = std::make_unique<Impl>(std::move(store), options, start);
}

Stream::Stream(std::shared_ptr<const StoreReader> store, const StreamOptions& options, const StreamState& state)
    : impl_(std::make_unique<Impl>(std::move(store), options, state)) {}

Stream::~Stream() = default;

bool Stream::Next(StreamBatch* batch) {
  Impl& self = *impl_;
  if (self.state.position >= self.layout.num_samples) {
    self.state.position = 0;
    ++self.state.epoch;
    self.has_current = false;
  }
  if (self.state.epoch >= self.options.num_epochs) return false;

  const uint64_t begin = self.state.position;
  const uint64_t end = std::min<uint64_t>(begin + self.options.batch_size, self.layout.num_samples);
  batch->epoch = self.state.epoch;
  batch->store_epoch = self.StoreEpoch(self.state.epoch);
  batch->position = begin;
  batch->sample_ids.clear();
  batch->labels.Clear();
  const Order order(self.order_spec, self.store->schema().seed, batch->store_epoch, self.layout.num_samples);
  for (uint64_t position = begin; position < end; ++position) batch->sample_ids.push_back(order.SampleAt(position));

  const uint64_t chunk_size = self.layout.chunk_size;
  for (uint64_t position = begin; position < end;) {
    if (!self.has_current) self.Advance();
    const uint64_t in_chunk = position % chunk_size;
    const uint64_t count = std::min<uint64_t>(end - position, self.current.labels.num_samples() - in_chunk);
    batch->labels.AppendSamples(self.current.labels, in_chunk, in_chunk + count);
    position += count;
    self.has_current = in_chunk + count < self.current.labels.num_samples();
  }
  self.state.position = end;
  return true;
}

void CheckViewFingerprints(const StreamBatch& batch, std::span<const uint16_t> rendered) {
  const std::vector<uint16_t>& stored = batch.labels.view_fingerprints;
  if (stored.empty()) return;
  if (stored.size() != rendered.size()) {
    Fail(ErrorCode::kInvalidArgument, "fingerprints of {} views for a batch of {}", rendered.size(), stored.size());
  }
  for (size_t i = 0; i < stored.size(); ++i) {
    if (stored[i] == rendered[i]) continue;
    Fail(ErrorCode::kMismatch,
         "epoch {}, sample {} (position {}): the view is not the one that the teacher saw: its fingerprint is {:#06x}, "
         "expected {:#06x}; check that views.seed, the views, the data and the version of decant are those of the "
         "store",
         batch.store_epoch, batch.sample_ids[i], batch.position + i, rendered[i], stored[i]);
  }
}

StreamState Stream::state() const {
  return impl_->state;
}

}  // namespace decant
