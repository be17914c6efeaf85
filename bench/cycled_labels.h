#pragma once

#include <cstdint>

#include "decant/store/soft_label.h"

namespace decant {

// A long row of labels out of few: chunk c holds consecutive ones of the `distinct`, from another start each.
class CycledLabels {
 public:
  static constexpr uint32_t kChunkLabels = 1024;

  explicit CycledLabels(LabelBatch distinct) : distinct_(std::move(distinct)) {}

  // Which of the distinct labels is at `position`.
  size_t IndexAt(uint64_t position) const {
    return (position / kChunkLabels * 7919 + position % kChunkLabels) % distinct_.size();
  }
  // Appends the labels [begin, end), all of one chunk.
  void Append(uint64_t begin, uint64_t end, LabelBatch* labels) const {
    while (begin < end) {
      const size_t first = IndexAt(begin);
      const size_t count = std::min<uint64_t>(end - begin, distinct_.size() - first);
      labels->AppendRange(distinct_, first, first + count);
      begin += count;
    }
  }
  const LabelBatch& distinct() const { return distinct_; }

 private:
  LabelBatch distinct_;
};

}  // namespace decant
