#include "column_bits.h"

#include <algorithm>

#include "bucket.h"
#include "label_numbers.h"

namespace decant {
namespace {

template <typename B>
uint64_t Bits(const HuffmanEncoder& encoder, uint32_t value) {
  const unsigned symbol = B::Symbol(value);
  return encoder[symbol].length + B::ExtraBits(symbol);
}

Column ColumnOf(CodecTables::Kind kind) {
  switch (kind) {
    case CodecTables::kCount:
      return Column::kCounts;
    case CodecTables::kTail:
    case CodecTables::kOtherTails:
      return Column::kTails;
    case CodecTables::kTrueLabel:
      return Column::kTrueLabels;
    case CodecTables::kNumAbove:
      return Column::kAnchors;
    default:
      return Column::kFloors;
  }
}

}  // namespace

ColumnBits::ColumnBits(const CodecParams& params, const CodecTables& tables)
    : params_(params),
      anchored_(tables.anchored),
      places_(tables.class_order.size()),
      kinds_(tables.kinds.begin(), tables.kinds.end()),
      gaps_(tables.gaps.begin(), tables.gaps.end()),
      values_(tables.values.begin(), tables.values.end()) {
  for (uint32_t place = 0; place < places_.size(); ++place) places_[tables.class_order[place]] = place;
}

void ColumnBits::Add(const LabelCodes& codes) {
  std::vector<uint32_t> places = codes.ids;
  if (!places_.empty()) {
    for (uint32_t& place : places) place = places_[place];
  }
  bool fixed_count = true;
  for (size_t i = 0; i < codes.size(); ++i) {
    fixed_count = fixed_count && codes.offsets[i + 1] - codes.offsets[i] == codes.offsets[1];
  }
  for (size_t i = 0; i < codes.size(); ++i) {
    plain_ = Column::kExtras;
    ListNumbers(params_, anchored_, codes, i, places.data() + codes.offsets[i], fixed_count, this);
  }
}

void ColumnBits::Code(CodecTables::Kind kind, uint32_t value) {
  Count(ColumnOf(kind), Bits<CodeBucket>(kinds_[kind], value));
  if (kind == CodecTables::kFloor) plain_ = anchored_ ? Column::kAnchors : Column::kTies;
}

void ColumnBits::Amount(CodecTables::Kind kind, uint32_t value) {
  Count(ColumnOf(kind), Bits<GapBucket>(kinds_[kind], value));
  if (kind == CodecTables::kNumAbove) plain_ = Column::kTies;
}

void ColumnBits::Entry(unsigned context, uint32_t gap, uint32_t drop) {
  Count(Column::kGaps, Bits<GapBucket>(gaps_[context], gap));
  Count(Column::kValues, Bits<CodeBucket>(values_[context], drop));
}

void ColumnBits::Plain(uint32_t, unsigned width) {
  Count(plain_, width);
}

}  // namespace decant
