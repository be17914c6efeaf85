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
      : path_(directory + "/labels.decant"), shape_(shape) {}

  std::string name() const override { return "decant"; }
  const std::string& path() const { return path_; }
  void Write(const CycledLabels& labels, uint64_t num_labels) override {
    Write(labels, num_labels, [](uint64_t) {});
  }
  // Tells `progress` how many labels are committed, after each span.
  void Write(const CycledLabels& labels, uint64_t num_labels, const std::function<void(uint64_t)>& progress);
  void Open(Access) override { reader_.emplace(path_); }
  void Close() override { reader_.reset(); }
  void ReadOne(uint64_t position, LabelBatch* labels) override { reader_->ReadLabel(0, position, labels); }
  void ReadChunk(uint64_t begin, uint64_t, LabelBatch* labels) override {
    reader_->ReadChunk(0, begin / CycledLabels::kChunkLabels, labels);
  }

 private:
  const std::string path_;
  const RowShape shape_;
  std::optional<StoreReader> reader_;
};

}  // namespace decant
