#include "decant/consumer/stream.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <thread>

#include "decant/base/error.h"

#include "epoch_plan.h"
#include "read_ahead.h"

namespace decant {
namespace {

// Of a rank's samples in a chunk, decoding so small a part alone is worth it.
constexpr uint64_t kFewParts = 8;
constexpr std::chrono::milliseconds kRefreshPause(500);

// What a rank needs of one chunk.
struct Chunk {
  uint32_t epoch = 0;  // training epoch
  uint32_t store_epoch = 0;
  uint64_t chunk = 0;
  std::vector<PositionRange> pieces;  // one for each batch
  std::vector<uint64_t> positions;    // of the pieces' samples, one after the other
  std::vector<uint64_t> sample_ids;
  LabelBatch labels;  // of all samples of the chunk, or of the pieces' alone
  bool is_whole = false;
};

uint32_t StoreEpochOf(const StreamOptions& options, uint32_t epoch) {
  return options.epochs[epoch % options.epochs.size()];
}

EpochPlan MakePlan(const StoreSet& stores, const StreamOptions& options, uint32_t epoch, uint64_t position) {
  const Layout& layout = stores.layout();
  const uint64_t num_full_chunks = layout.num_samples / layout.chunk_size;
  std::optional<Order> chunk_order;
  if (epoch >= options.epochs.size() && num_full_chunks > 0) {
    const uint64_t seed = stores.EpochOf(StoreEpochOf(options, epoch)).store->schema().seed;
    chunk_order.emplace(OrderKind::kGlobal, seed, epoch, num_full_chunks);
  }
  return {layout, options, position, std::move(chunk_order)};
}

// Which chunks a rank needs, in order.
class ChunkWalk {
 public:
  ChunkWalk(const StoreSet& stores, const StreamOptions& options, const StreamState& state)
      : stores_(stores),
        options_(options),
        epoch_(state.epoch),
        next_(state.position),
        plan_(MakePlan(stores, options, state.epoch, state.position)) {}

  uint32_t StoreEpoch(uint32_t epoch) const { return StoreEpochOf(options_, epoch); }
  uint32_t epoch() const { return epoch_; }
  const EpochPlan& plan() const { return plan_; }
  void StartEpoch(uint32_t epoch) {
    epoch_ = epoch;
    next_ = 0;
    plan_ = MakePlan(stores_, options_, epoch, 0);
  }
  // False after the last chunk.
  bool Next(Chunk* chunk) {
    if (epoch_ >= options_.num_epochs) return false;
    std::optional<uint64_t> own;
    while (!(own = plan_.NextOwn(next_))) {
      if (epoch_ + 1 >= options_.num_epochs) return false;
      StartEpoch(epoch_ + 1);
    }
    chunk->epoch = epoch_;
    chunk->store_epoch = StoreEpoch(epoch_);
    chunk->chunk = plan_.StorePosition(*own) / stores_.layout().chunk_size;
    chunk->pieces.clear();
    chunk->positions.clear();
    for (const uint64_t end = plan_.ChunkEnd(*own); own && *own < end; own = plan_.NextOwn(next_)) {
      const PositionRange piece = plan_.PieceAt(*own);
      chunk->pieces.push_back(piece);
      for (uint64_t i = piece.begin; i < piece.end; ++i) chunk->positions.push_back(plan_.StorePosition(i));
      next_ = piece.end;
    }
    return true;
  }

 private:
  const StoreSet& stores_;
  const StreamOptions& options_;
  uint32_t epoch_;
  uint64_t next_;  // position
  EpochPlan plan_;
};

uint64_t PositionOf(const StoreSet& stores, uint32_t epoch, uint64_t sample_id) {
  const Order& order = stores.OrderOf(epoch);
  if (sample_id < stores.num_samples()) return order.PositionOf(sample_id);
  Fail(ErrorCode::kInvalidArgument, "{}: sample {} of {}", stores.EpochOf(epoch).store->path(), sample_id,
       stores.num_samples());
}

StreamOptions WithEpochs(StreamOptions options, const StoreSet& stores) {
  if (options.epochs.empty()) {
    options.epochs.resize(stores.num_epochs());
    std::iota(options.epochs.begin(), options.epochs.end(), 0u);
  }
  for (const uint32_t epoch : options.epochs) stores.OrderOf(epoch);  // which this build must know
  if (options.batch_size == 0 || options.world_size == 0 || options.rank >= options.world_size ||
      options.world_size > options.batch_size) {
    Fail(ErrorCode::kInvalidArgument,
         "a stream for rank {} of {} with global batches of {} samples; expected a rank below the number of ranks, and "
         "a sample for each",
         options.rank, options.world_size, options.batch_size);
  }
  if (options.last_batch == LastBatch::kDrop && options.batch_size > stores.num_samples()) {
    Fail(ErrorCode::kInvalidArgument,
         "batches of {} samples, of which an epoch has {}: nothing is left without the last one", options.batch_size,
         stores.num_samples());
  }
  return options;
}

StreamState Start(const StoreSet& stores) {
  return {.schema_digest = stores.digest()};
}

}  // namespace

struct Stream::Impl {
  Impl(std::shared_ptr<StoreSet> a_stores, const StreamOptions& an_options, const StreamState& a_state, bool restored)
      : stores(std::move(a_stores)), options(WithEpochs(an_options, *stores)), state(a_state) {
    CheckState(restored);
    if (options.wait_seconds <= 0) CheckEpochs();
    walk.emplace(*stores, options, state);
    ahead_walk.emplace(*stores, options, state);
    ahead.emplace(
        options.chunks_read_ahead, options.threads, [this](Chunk* chunk) { return ahead_walk->Next(chunk); },
        [this](Chunk* chunk, const std::stop_token& stop) { Fill(chunk, stop); });
  }

  void CheckState(bool restored);
  void CheckEpochs() const;
  void WaitFor(const Chunk& chunk, const std::stop_token& stop);
  void Fill(Chunk* chunk, const std::stop_token& stop);
  void AppendPiece(StreamBatch* batch);

  const std::shared_ptr<StoreSet> stores;
  const StreamOptions options;
  StreamState state;
  std::optional<ChunkWalk> walk;        // of Next()
  std::optional<ChunkWalk> ahead_walk;  // of `ahead`
  Chunk* current = nullptr;             // of `ahead`, with pieces that Next() has not handed out
  size_t next_piece = 0;
  size_t next_sample = 0;                 // in `positions`
  std::optional<ReadAhead<Chunk>> ahead;  // last: its threads use all of the above
};

void Stream::Impl::CheckState(bool restored) {
  const std::string& path = stores->EpochOf(0).store->path();
  if (state.schema_digest != stores->digest()) {
    Fail(ErrorCode::kMismatch, "{}: the stream's state belongs to another store: schema digest expected {}, found {}",
         path, state.schema_digest, stores->digest());
  }
  if (state.position > stores->num_samples()) {
    Fail(ErrorCode::kInvalidArgument, "{}: a stream at position {} of {}", path, state.position, stores->num_samples());
  }
  const uint32_t store_epoch = StoreEpochOf(options, state.epoch);
  if (restored && state.store_epoch != store_epoch) {
    Fail(ErrorCode::kMismatch, "{}: the stream's state is in epoch {} of the store, but training epoch {} reads {}",
         path, state.store_epoch, state.epoch, store_epoch);
  }
  if (state.position == stores->num_samples()) {
    state.position = 0;
    ++state.epoch;
  }
  state.store_epoch = StoreEpochOf(options, state.epoch);
}

void Stream::Impl::CheckEpochs() const {
  const Layout& layout = stores->layout();
  const uint64_t end = std::min<uint64_t>(options.num_epochs, state.epoch + options.epochs.size());
  for (uint64_t epoch = state.epoch; epoch < end; ++epoch) {
    const uint32_t store_epoch = StoreEpochOf(options, static_cast<uint32_t>(epoch));
    for (uint64_t chunk = 0; chunk < layout.chunks_per_epoch(); chunk += layout.span_chunks) {
      if (stores->IsLabelled(store_epoch, chunk)) continue;
      const StoreSet::Epoch place = stores->EpochOf(store_epoch);
      Fail(ErrorCode::kNotFound,
           "{}: epoch {} is not complete ({} of {} spans are labelled); run `decant produce` again",
           place.store->path(), place.epoch, place.store->num_committed_spans(),
           place.store->schema().layout.num_spans());
    }
  }
}

void Stream::Impl::WaitFor(const Chunk& needed, const std::stop_token& stop) {
  using std::chrono::steady_clock;
  const auto start = steady_clock::now();
  while (!stores->IsLabelled(needed.store_epoch, needed.chunk) && !stop.stop_requested()) {
    const double waited = std::chrono::duration<double>(steady_clock::now() - start).count();
    if (waited >= options.wait_seconds) {
      const StoreSet::Epoch place = stores->EpochOf(needed.store_epoch);
      Fail(ErrorCode::kUnavailable,
           "{}: waited {:.0f} s for chunk {} of epoch {} ({} of {} spans are labelled); `decant status {}` tells "
           "whether "
           "it is being produced",
           place.store->path(), waited, needed.chunk, place.epoch, place.store->num_committed_spans(),
           place.store->schema().layout.num_spans(), place.store->path());
    }
    std::this_thread::sleep_for(kRefreshPause);
    stores->Refresh();
  }
}

void Stream::Impl::Fill(Chunk* needed, const std::stop_token& stop) {
  if (options.wait_seconds > 0) WaitFor(*needed, stop);
  const Layout& layout = stores->layout();
  const uint64_t begin = needed->chunk * layout.chunk_size;
  const uint32_t num_samples = layout.ChunkSamples(needed->chunk);
  needed->labels.Clear();
  needed->is_whole = needed->positions.size() * kFewParts >= num_samples;
  if (needed->is_whole) {
    stores->ReadSamples(needed->store_epoch, needed->chunk, 0, num_samples, &needed->labels);
  } else {
    for (size_t i = 0; const PositionRange& piece : needed->pieces) {
      const auto first = static_cast<uint32_t>(needed->positions[i] - begin);
      stores->ReadSamples(needed->store_epoch, needed->chunk, first, first + static_cast<uint32_t>(piece.size()),
                          &needed->labels);
      i += piece.size();
    }
  }
  const Order& order = stores->OrderOf(needed->store_epoch);
  needed->sample_ids.clear();
  for (const uint64_t position : needed->positions) needed->sample_ids.push_back(order.SampleAt(position));
}

void Stream::Impl::AppendPiece(StreamBatch* batch) {
  if (current == nullptr || next_piece == current->pieces.size()) {
    current = nullptr;  // Next() throws or gives it back
    current = ahead->Next();
    if (current == nullptr) Fail(ErrorCode::kInternal, "a stream ended early");
    next_piece = next_sample = 0;
  }
  const size_t size = current->pieces[next_piece++].size();
  const size_t end = next_sample + size;
  const auto append = [&](const std::vector<uint64_t>& from, std::vector<uint64_t>* to) {
    to->insert(to->end(), from.begin() + static_cast<std::ptrdiff_t>(next_sample),
               from.begin() + static_cast<std::ptrdiff_t>(end));
  };
  append(current->positions, &batch->positions);
  append(current->sample_ids, &batch->sample_ids);
  const size_t first = current->is_whole ? current->positions[next_sample] % stores->layout().chunk_size : next_sample;
  batch->labels.AppendSamples(current->labels, first, first + size);
  next_sample = end;
}

Stream::Stream(std::shared_ptr<StoreSet> stores, const StreamOptions& options) {
  const StreamState start = Start(*stores);
  impl_ = std::make_unique<Impl>(std::move(stores), options, start, /*restored=*/false);
}

Stream::Stream(std::shared_ptr<StoreSet> stores, const StreamOptions& options, const StreamState& state)
    : impl_(std::make_unique<Impl>(std::move(stores), options, state, /*restored=*/true)) {}

Stream::~Stream() = default;

bool Stream::Next(StreamBatch* batch) {
  Impl& self = *impl_;
  if (self.state.epoch >= self.options.num_epochs) return false;
  std::optional<PositionRange> range;
  while (!(range = self.walk->plan().BatchAt(self.state.position))) {
    if (self.state.epoch + 1 >= self.options.num_epochs) return false;
    self.walk->StartEpoch(++self.state.epoch);
    self.state.store_epoch = self.walk->StoreEpoch(self.state.epoch);
    self.state.position = 0;
  }
  batch->epoch = self.state.epoch;
  batch->store_epoch = self.state.store_epoch;
  batch->position = range->begin;
  batch->global_size = range->size();
  batch->positions.clear();
  batch->sample_ids.clear();
  batch->labels.Clear();
  const uint64_t part_size = self.walk->plan().PartOf(*range).size();
  while (batch->positions.size() < part_size) self.AppendPiece(batch);
  self.state.position = std::min(range->end, self.stores->num_samples());
  return true;
}

StreamState Stream::state() const {
  return impl_->state;
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
         batch.store_epoch, batch.sample_ids[i], batch.positions[i], rendered[i], stored[i]);
  }
}

std::vector<uint64_t> StorePositions(const StoreSet& stores, const StreamOptions& options, uint32_t epoch,
                                     std::span<const uint64_t> positions) {
  const EpochPlan plan = MakePlan(stores, WithEpochs(options, stores), epoch, 0);
  std::vector<uint64_t> found;
  found.reserve(positions.size());
  for (const uint64_t position : positions) found.push_back(plan.StorePosition(position));
  return found;
}

void ReadSample(const StoreSet& stores, uint32_t epoch, uint64_t sample_id, LabelBatch* labels) {
  const uint64_t position = PositionOf(stores, epoch, sample_id);
  const uint32_t chunk_size = stores.layout().chunk_size;
  const auto index = static_cast<uint32_t>(position % chunk_size);
  stores.ReadSamples(epoch, position / chunk_size, index, index + 1, labels);
}

void ReadSamples(const StoreSet& stores, uint32_t epoch, std::span<const uint64_t> sample_ids, LabelBatch* labels) {
  std::vector<uint64_t> positions;
  positions.reserve(sample_ids.size());
  for (const uint64_t sample_id : sample_ids) positions.push_back(PositionOf(stores, epoch, sample_id));
  stores.ReadLabels(epoch, positions, labels);
}

void PadLabels(const LabelBatch& labels, uint32_t k, int64_t* ids, float* log_probs) {
  for (size_t i = 0; i < labels.size(); ++i, ids += k, log_probs += k) {
    const auto label_ids = labels.LabelIds(i);
    const auto label_log_probs = labels.LabelLogProbs(i);
    if (label_ids.size() > k) {
      Fail(ErrorCode::kInvalidArgument, "label {} has {} entries, more than {}", i, label_ids.size(), k);
    }
    std::copy(label_ids.begin(), label_ids.end(), ids);
    std::copy(label_log_probs.begin(), label_log_probs.end(), log_probs);
    std::fill(ids + label_ids.size(), ids + k, 0);
    std::fill(log_probs + label_log_probs.size(), log_probs + k, -std::numeric_limits<float>::infinity());
  }
}

}  // namespace decant
