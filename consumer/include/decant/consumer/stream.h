#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "decant/data/order.h"
#include "decant/store/store_reader.h"

namespace decant {

struct StreamOptions {
  uint32_t batch_size = 256;       // samples of a batch; the last one of an epoch may be short
  uint32_t num_epochs = 1;         // training epochs; training epoch e reads store epoch e mod the store's epochs
  uint32_t chunks_read_ahead = 8;  // decoded chunks that wait, at most
};

// Where a stream stands: all that a checkpoint needs.
struct StreamState {
  std::string schema_digest;
  uint32_t epoch = 0;     // training epoch
  uint64_t position = 0;  // next position in it
};

struct StreamBatch {
  uint32_t epoch = 0;  // training epoch
  uint32_t store_epoch = 0;
  uint64_t position = 0;             // of the first label
  std::vector<uint64_t> sample_ids;  // [size]
  LabelBatch labels;                 // of `size` samples
};

// Compares what was drawn for the views that a student renders, [size], with what the store says of those that the
// teacher saw; a store without fingerprints says nothing. kMismatch, naming the first view that differs.
void CheckViewFingerprints(const StreamBatch& batch, std::span<const uint16_t> rendered);

// The labels of a store in the order of their positions, epoch after epoch, read ahead and decoded by a thread of its
// own. Not thread-safe.
class Stream {
 public:
  // Starts at `state` when it is given (its digest must be that of the store's schema: kMismatch), else at the
  // beginning. kNotFound when a store epoch that the stream needs is not complete.
  Stream(std::shared_ptr<const StoreReader> store, const StreamOptions& options);
  Stream(std::shared_ptr<const StoreReader> store, const StreamOptions& options, const StreamState& state);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // The next batch, in re-used memory; false after the last one. Throws what reading threw: kDataLoss with the
  // place; so does every later call.
  bool Next(StreamBatch* batch);
  // After the batches that Next() has handed out.
  StreamState state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
