#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "decant/store/store_reader.h"

#include "label_rows.h"

namespace decant {

// Decant's store as rows of labels.
class DecantRows : public LabelRows {
 public:
  DecantRows(const std::string& directory, const RowShape& shape)
      : path_(directory + "/labels.decant"), shape_(shape), chunk_size_(shape.k < 64 ? 1024 : 256) {}
  // Of the reader: by default, what holds the labels of the benchmark.
  void SetCacheBytes(size_t bytes) { cache_bytes_ = bytes; }

  std::string name() const override { return "decant"; }
  const std::string& path() const { return path_; }
  void Write(const CycledLabels& labels, uint64_t num_labels) override {
    Write(labels, num_labels, [](uint64_t) {});
  }
  // Tells `progress` how many labels are committed, after each span.
  void Write(const CycledLabels& labels, uint64_t num_labels, const std::function<void(uint64_t)>& progress);
  void Open(Access) override { reader_.emplace(path_, ReaderOptions{.cache_bytes = cache_bytes_}); }
  void Close() override { reader_.reset(); }
  void ReadOne(uint64_t position, LabelBatch* labels) override { reader_->ReadLabel(0, position, labels); }
  void ReadChunk(uint64_t begin, uint64_t end, LabelBatch* labels) override {
    for (uint64_t chunk = begin / chunk_size_; chunk * chunk_size_ < end; ++chunk) reader_->ReadChunk(0, chunk, labels);
  }

 private:
  const std::string path_;
  const RowShape shape_;
  const uint32_t chunk_size_;
  size_t cache_bytes_ = size_t{1} << 30;
  std::optional<StoreReader> reader_;
};

}  // namespace decant
