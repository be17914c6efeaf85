#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "decant/store/ledger.h"
#include "decant/store/sample_keys.h"
#include "decant/store/schema.h"
#include "decant/store/soft_label.h"

namespace decant {

struct ReaderOptions {
  // Memory for chunks that were read: reading single labels at random is fast for as many as fit.
  size_t cache_bytes = size_t{32} << 20;
};

// Whether the store at `path` is complete, and closed to writers.
bool IsSealed(const std::string& path);

// Reads a store without writing to it or locking anything: any number of readers, also from read-only directories, also
// while the store is being written. A sealed store is opened as it is; one that is not can be followed with Refresh().
// Thread-safe but for Refresh(), see there. Not usable across fork(): open one reader per process.
class StoreReader {
 public:
  // kNotFound when there is no store at `path`, kDataLoss when it is damaged.
  explicit StoreReader(const std::string& path, const ReaderOptions& options = {});
  ~StoreReader();
  StoreReader(const StoreReader&) = delete;
  StoreReader& operator=(const StoreReader&) = delete;

  const std::string& path() const;
  const Schema& schema() const;
  const ChunkCodec& codec() const;
  // The store's digest when it is complete and sealed; this and ledger() as of the opening or the last Refresh().
  const std::optional<std::string>& digest() const;
  // The ledger entry of each span, by Span::index; nullopt when the span is not committed.
  const std::vector<std::optional<SpanTrailer>>& ledger() const;
  uint64_t num_committed_spans() const;

  // Whether a chunk's labels are committed, as of the opening or the last Refresh(); kInvalidArgument where there is no
  // such chunk. Unlike ledger(), while another thread calls Refresh().
  bool IsLabelled(uint32_t epoch, uint64_t chunk) const;
  // Whether the labels of an epoch were deleted after use; its ledger entries are still there.
  bool expired(uint32_t epoch) const;

  // Takes notice of what was committed, sealed or has expired since. Returns num_committed_spans(). Labels may be read
  // by other threads meanwhile; references from digest() and ledger() end.
  uint64_t Refresh();

  // Appends the labels of a whole chunk to `labels`, at the temperature of that index in the schema. kNotFound when its
  // span is not committed or has expired, kDataLoss when it is damaged or gone; `labels` then means nothing until
  // Clear().
  void ReadChunk(uint32_t epoch, uint64_t chunk, LabelBatch* labels, size_t temperature = 0) const;
  // The same for the samples [begin, end) of the chunk; decodes nothing else where they are few.
  void ReadSamples(uint32_t epoch, uint64_t chunk, uint32_t begin, uint32_t end, LabelBatch* labels,
                   size_t temperature = 0) const;
  // Appends the label at `position` of `epoch` to `labels`, decoding nothing else.
  void ReadLabel(uint32_t epoch, uint64_t position, LabelBatch* labels, size_t temperature = 0) const;
  // The same for many positions, in any order: faster than one by one.
  void ReadLabels(uint32_t epoch, std::span<const uint64_t> positions, LabelBatch* labels,
                  size_t temperature = 0) const;
  // The same as codes: of a chunk, and of the sample at `position` alone.
  LabelCodes ReadChunkCodes(uint32_t epoch, uint64_t chunk) const;
  LabelCodes ReadSampleCodes(uint32_t epoch, uint64_t position) const;

  // What the samples are called where they come from; empty when the store does not say. kDataLoss when damaged.
  SampleKeys ReadSampleKeys() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
