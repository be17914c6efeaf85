#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "decant/consumer/store_set.h"
#include "decant/data/order.h"
#include "decant/store/store_reader.h"

namespace decant {

// What becomes of the samples at an epoch's end that do not fill a batch.
enum class LastBatch : uint8_t {
  kShort,  // "short": a batch of their own, of which a rank may get nothing
  kDrop,   // "drop": they are left out
  kPad,    // "pad": the epoch's first samples fill the batch up
};

struct StreamOptions {
  uint32_t batch_size = 256;  // samples of a global batch, which the ranks share
  uint32_t num_epochs = 1;    // training epochs
  // The store's epochs to read, in turn; empty: all. Training epoch e reads epochs[e mod n]; from the second time on
  // with the full chunks in a fresh order each time.
  std::vector<uint32_t> epochs;
  LastBatch last_batch = LastBatch::kShort;
  uint32_t rank = 0;  // of world_size ranks, each with a stream of its own
  uint32_t world_size = 1;
  unsigned threads = 1;            // that read and decode
  uint32_t chunks_read_ahead = 8;  // decoded chunks, at most
  double wait_seconds = 0;         // for labels that are not there yet: another process is producing them
};

// Where a stream stands: all that a checkpoint needs, for any number of ranks and threads.
struct StreamState {
  std::string schema_digest;  // StoreSet::digest()
  uint32_t epoch = 0;         // training epoch
  uint32_t store_epoch = 0;   // that it reads
  uint64_t position = 0;      // of the next global batch's first sample
};

// A rank's part of a global batch. Global batch g of an epoch is the positions [g B, (g + 1) B), whatever the number of
// ranks; rank r has the samples from floor(r n / world_size) to floor((r + 1) n / world_size) of its n.
struct StreamBatch {
  uint32_t epoch = 0;                // training epoch
  uint32_t store_epoch = 0;          // StoreSet::EpochOf() has its views
  uint64_t position = 0;             // of the global batch's first sample
  uint64_t global_size = 0;          // samples of the global batch
  std::vector<uint64_t> positions;   // [size] in the store's epoch
  std::vector<uint64_t> sample_ids;  // [size]
  LabelBatch labels;                 // of `size` samples
};

// Compares what was drawn for the views that a student renders, [size], with what the store says of those that the
// teacher saw; a store without fingerprints says nothing. kMismatch, naming the first view that differs.
void CheckViewFingerprints(const StreamBatch& batch, std::span<const uint16_t> rendered);

// The labels of stores in the order of their positions, epoch after epoch, read ahead and decoded by threads. Memory:
// chunks_read_ahead decoded chunks, whatever the size of the store. Not thread-safe.
class Stream {
 public:
  // Starts at `state` when it is given, else at the beginning. kMismatch for the state of other stores or epochs;
  // kNotFound when labels that the stream needs are missing and wait_seconds is 0; kInvalidArgument for options without
  // a batch for every rank.
  Stream(std::shared_ptr<StoreSet> stores, const StreamOptions& options);
  Stream(std::shared_ptr<StoreSet> stores, const StreamOptions& options, const StreamState& state);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // The rank's part of the next global batch, in re-used memory; false after the last one: for every rank after equally
  // many. Throws what reading threw, kDataLoss with the place or kUnavailable after wait_seconds; so does every later
  // call.
  bool Next(StreamBatch* batch);
  // After the batches that Next() has handed out.
  StreamState state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where these positions of a training epoch, each below the number of samples, lie in the store's epoch: as they are
// the first time that an epoch of options.epochs is read, with the full chunks in a fresh order after that.
std::vector<uint64_t> StorePositions(const StoreSet& stores, const StreamOptions& options, uint32_t epoch,
                                     std::span<const uint64_t> positions);

// Appends the label, or the labels of the window, of one sample to `labels`, decoding nothing else. The same for many,
// which is faster.
void ReadSample(const StoreSet& stores, uint32_t epoch, uint64_t sample_id, LabelBatch* labels);
void ReadSamples(const StoreSet& stores, uint32_t epoch, std::span<const uint64_t> sample_ids, LabelBatch* labels);

// Copies labels to rows of `k` entries: ids [size, k] (0 for padding), log_probs [size, k] (-infinity for padding).
// kInvalidArgument when a label has more.
void PadLabels(const LabelBatch& labels, uint32_t k, int64_t* ids, float* log_probs);

}  // namespace decant
