#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "decant/store/codec_tables.h"

#include "huffman.h"

namespace decant {

// The parts of a coded label.
enum class Column { kCounts, kTails, kTrueLabels, kExtras, kFloors, kAnchors, kGaps, kValues, kTies, kNumColumns };
inline constexpr std::array<const char*, 9> kColumnNames = {"counts",  "tails", "true_labels", "extras", "floors",
                                                            "anchors", "gaps",  "values",      "ties"};

// Counts the bits of labels as a store's tables code them.
class ColumnBits {
 public:
  ColumnBits(const CodecParams& params, const CodecTables& tables);

  // Adds all labels of a chunk. `codes` in the order of the store's classes.
  void Add(const LabelCodes& codes);
  uint64_t bits(Column column) const { return bits_[static_cast<size_t>(column)]; }

  // The sink of ListNumbers().
  void Code(CodecTables::Kind kind, uint32_t value);
  void Amount(CodecTables::Kind kind, uint32_t value);
  void Entry(unsigned context, uint32_t gap, uint32_t drop);
  void Plain(uint32_t value, unsigned width);

 private:
  void Count(Column column, uint64_t bits) { bits_[static_cast<size_t>(column)] += bits; }

  CodecParams params_;
  bool anchored_;
  std::vector<uint32_t> places_;  // [num_classes]; empty when places are ids
  std::vector<HuffmanEncoder> kinds_, gaps_, values_;
  std::array<uint64_t, kColumnNames.size()> bits_{};
  Column plain_ = Column::kExtras;  // what the next plain number is
};

}  // namespace decant
