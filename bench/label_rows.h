#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "decant/store/soft_label.h"

#include "cycled_labels.h"

namespace decant {

enum class Access { kRandom, kSequential };

// A way to keep a row of labels on disk and to read them by position. Files lie in one folder. Not thread-safe.
class LabelRows {
 public:
  virtual ~LabelRows() = default;

  // As in the benchmark's rows.
  virtual std::string name() const = 0;
  // Makes the files, durable when it returns.
  virtual void Write(const CycledLabels& labels, uint64_t num_labels) = 0;
  virtual void Open(Access access) = 0;
  virtual void Close() = 0;
  // Appends the label at `position`; the order of its entries is the store's.
  virtual void ReadOne(uint64_t position, LabelBatch* labels) = 0;
  // Appends the labels [begin, end) of one chunk of CycledLabels; `begin` is the chunk's.
  virtual void ReadChunk(uint64_t begin, uint64_t end, LabelBatch* labels) = 0;
};

struct RowShape {
  uint32_t num_classes = 0;
  uint32_t k = 0;
  uint32_t span_chunks = 64;  // of Decant's store
};

// One file of TinyViT's records, record i at i * (its bytes): read with pread, or through a memory map.
std::unique_ptr<LabelRows> MakeFlatRows(const std::string& directory, const RowShape& shape, bool mapped);
// The same records as values of LMDB under 8-byte big-endian keys, appended in order. Null without LMDB.
std::unique_ptr<LabelRows> MakeLmdbRows(const std::string& directory, const RowShape& shape);
// The same records as values of RocksDB under such keys: written without a log, compacted, uncompressed.
std::unique_ptr<LabelRows> MakeRocksDbRows(const std::string& directory, const RowShape& shape);
// Decant's store.
std::unique_ptr<LabelRows> MakeDecantRows(const std::string& directory, const RowShape& shape);

}  // namespace decant
