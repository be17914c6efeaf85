#include "label_coder.h"

#include <algorithm>
#include <array>

#include "decant/base/clones.h"

#include "avx512.h"
#include "bucket.h"
#include "label_numbers.h"

namespace decant {
namespace {

std::vector<HuffmanEncoder> Encoders(const auto& lengths) {
  return {lengths.begin(), lengths.end()};
}

const SymbolRanges& RangesOf(size_t kind) {
  return kind == CodecTables::kCount || kind == CodecTables::kNumAbove ? kGapRanges : kCodeRanges;
}

std::vector<DecodeTable> KindDecoders(const CodecTables& tables) {
  std::vector<DecodeTable> decoders(CodecTables::kNumKinds);
  for (size_t kind = 0; kind < decoders.size(); ++kind) {
    FillDecodeTable(tables.kinds[kind], RangesOf(kind).plain_bits, &decoders[kind]);
  }
  return decoders;
}

// The last context stands for all after it, for distances that only damage leads to.
std::vector<EntryDecoder> EntryDecoders(const CodecTables& tables) {
  std::vector<EntryDecoder> decoders(tables.gaps.size());
  for (size_t context = 0; context < decoders.size(); ++context) {
    FillDecodeTable(tables.gaps[context], kGapRanges.plain_bits, &decoders[context].gap);
    FillDecodeTable(tables.values[context], kCodeRanges.plain_bits, &decoders[context].value);
  }
  decoders.resize(kNumDistanceContexts, decoders.back());
  return decoders;
}

// Writes a label's numbers.
struct BitSink {
  struct Bits {
    uint64_t bits;
    unsigned width;  // at most 10 + 8 + 28
  };
  template <typename B>
  static Bits Code(const HuffmanEncoder& encoder, uint32_t value) {
    const HuffmanEncoder::Code code = encoder[B::Symbol(value)];
    const unsigned plain_bits = B::PlainBits(value);
    return {code.bits | LowBits(value, plain_bits) << code.length, code.length + plain_bits};
  }
  template <typename B>
  void Put(const HuffmanEncoder& encoder, uint32_t value) {
    const Bits code = Code<B>(encoder, value);
    cursor.Put(code.bits, code.width);
  }
  void Code(CodecTables::Kind kind, uint32_t value) { Put<CodeBucket>(kinds[kind], value); }
  void Amount(CodecTables::Kind kind, uint32_t value) { Put<GapBucket>(kinds[kind], value); }
  void Entry(unsigned context, uint32_t gap, uint32_t drop) {
    const Bits first = Code<GapBucket>(gaps[context], gap);
    const Bits second = Code<CodeBucket>(values[context], drop);
    if (first.width + second.width <= 56) [[likely]] {
      cursor.Put(first.bits | second.bits << first.width, first.width + second.width);
    } else {
      cursor.Put(first.bits, first.width);
      cursor.Put(second.bits, second.width);
    }
  }
  void Plain(uint32_t value, unsigned width) { cursor.Put(value, width); }

  const HuffmanEncoder *kinds, *gaps, *values;
  BitWriter::Cursor cursor;
};

DECANT_CLONES("bmi2")
void PutNumbers(const CodecParams& params, bool anchored, const LabelCodes& codes, size_t index, const uint32_t* places,
                bool fixed_count, BitSink* sink_in_memory) {
  BitSink sink = *sink_in_memory;
  ListNumbers(params, anchored, codes, index, places, fixed_count, &sink);
  *sink_in_memory = sink;
}

}  // namespace

LabelCoder::LabelCoder(const CodecParams& params, const CodecTables& tables)
    : params_(params),
      class_order_(tables.class_order),
      places_(tables.class_order.size()),
      anchored_(tables.anchored),
      kind_encoders_(Encoders(tables.kinds)),
      gap_encoders_(Encoders(tables.gaps)),
      value_encoders_(Encoders(tables.values)),
      kind_decoders_(KindDecoders(tables)),
      entry_decoders_(EntryDecoders(tables)) {
  for (uint32_t place = 0; place < class_order_.size(); ++place) places_[class_order_[place]] = place;
}

void LabelCoder::Encode(const LabelCodes& codes, size_t index, const uint32_t* places, bool fixed_count,
                        BitWriter* writer) const {
  // The numbers before the entries, and each entry with its rank among equal values, take at most so many bits.
  constexpr uint64_t kMostNumberBits = kMaxCodeBits + 8 + 32;
  const uint64_t num_entries = codes.offsets[index + 1] - codes.offsets[index];
  const uint64_t num_numbers = 8 + params_.temperatures.size() + 3 * num_entries;
  BitSink sink{kind_encoders_.data(), gap_encoders_.data(), value_encoders_.data(),
               writer->Begin(kMostNumberBits * num_numbers)};
  PutNumbers(params_, anchored_, codes, index, places, fixed_count, &sink);
  writer->End(sink.cursor);
}

[[gnu::always_inline]] inline bool LabelCoder::GetCode(const BitReader& reader, CodecTables::Kind kind,
                                                       uint64_t* position, uint32_t* code) const {
  *code = GetNumber(reader, kind_decoders_[kind], kCodeRanges, position);
  return *code <= 0xffff;
}

[[gnu::always_inline]] inline uint32_t LabelCoder::GetAmount(const BitReader& reader, CodecTables::Kind kind,
                                                             uint64_t* position) const {
  return GetNumber(reader, kind_decoders_[kind], kGapRanges, position);
}

bool LabelCoder::ReadFields(const BitReader& reader, const Source& source, Fields* fields, Walk* walk,
                            LabelCodes* codes) const {
  uint64_t position = source.begin;
  fields->count = source.fixed_count != 0 ? source.fixed_count : GetAmount(reader, CodecTables::kCount, &position);
  // Every entry takes two bits at least: a wrong count cannot ask for more memory than the stream has.
  const uint64_t num_bits = std::min(source.end, reader.num_bits()) - std::min(source.begin, reader.num_bits());
  if (fields->count < 1 || fields->count > params_.k || 2 * uint64_t{fields->count - 1} > num_bits) return false;

  uint32_t code = 0;
  if (params_.values != Values::kFp16Probs) {
    if (!GetCode(reader, CodecTables::kTail, &position, &code)) return false;
    codes->tails.push_back(static_cast<uint16_t>(code - 1));
  }
  for (size_t t = 1; t < params_.temperatures.size(); ++t) {
    if (!GetCode(reader, CodecTables::kOtherTails, &position, &code)) return false;
    codes->other_tails.push_back(static_cast<uint16_t>(code));
  }
  if (params_.true_label) {
    if (!GetCode(reader, CodecTables::kTrueLabel, &position, &code) || code > kLargestCode) return false;
    codes->true_values.push_back(static_cast<uint16_t>(code));
  }
  if (params_.has_extras()) codes->extras.push_back(reader.Get(&position, 32));

  const uint32_t largest = params_.values == Values::kFp16Probs ? kFp16ZeroCode : kLargestCode;
  if (!GetCode(reader, CodecTables::kFloor, &position, &fields->floor) || fields->floor > largest) return false;
  *walk = {.num_above = fields->count};
  if (anchored_) {
    if (!GetCode(reader, CodecTables::kTop, &position, &fields->top) || fields->top > fields->floor) return false;
    fields->anchor = reader.Get(&position, BitWidth(params_.num_classes - 1));
    const uint32_t num_above = GetAmount(reader, CodecTables::kNumAbove, &position);
    if (fields->anchor >= params_.num_classes || num_above > fields->count - 1) return false;
    *walk = {.num_above = num_above, .num_below = fields->count - 1 - num_above};
  }
  walk->position = position;
  return true;
}

// Turns distances into classes, ascending by place, and drops into values.
bool LabelCoder::PlaceEntries(const Fields& fields, const Walk& walk, const WalkEntry* entries, size_t stride,
                              LabelCodes* codes) const {
  const uint64_t start = anchored_ ? fields.anchor : ~uint64_t{0};  // the place before the first
  if (walk.farthest_below > start || walk.farthest_above > params_.num_classes - 1 - start) return false;
  const size_t first = codes->ids.size();
  codes->ids.resize(first + fields.count);
  codes->values.resize(first + fields.count);
  codes->offsets.push_back(static_cast<uint32_t>(codes->ids.size()));
  uint32_t* ids = codes->ids.data() + first;
  uint16_t* values = codes->values.data() + first;
  if (stride == kWideLanes) {
    const Placement placement = {.count = fields.count,
                                 .num_below = walk.num_below,
                                 .anchored = anchored_,
                                 .start = static_cast<uint32_t>(start),
                                 .floor = fields.floor,
                                 .top = fields.top,
                                 .class_order = class_order_.empty() ? nullptr : class_order_.data()};
    return PlaceEntriesWide(placement, entries, ids, values);
  }
  uint32_t largest_drop = 0;
  const auto put = [&](uint32_t entry, uint32_t place, uint32_t drop) {
    ids[entry] = place;
    values[entry] = static_cast<uint16_t>(fields.floor - drop);
    largest_drop = std::max(largest_drop, drop);
  };
  if (anchored_) put(walk.num_below, fields.anchor, fields.top);
  const auto start_place = static_cast<uint32_t>(start);
  const uint32_t first_above = fields.count - walk.num_above;
  for (uint32_t i = 0; i < walk.num_above; ++i, entries += stride) {
    put(first_above + i, start_place + entries->distance, entries->drop);
  }
  for (uint32_t i = walk.num_below; i-- > 0; entries += stride) {
    put(i, start_place - entries->distance, entries->drop);
  }
  if (!class_order_.empty()) {
    for (uint32_t i = 0; i < fields.count; ++i) ids[i] = class_order_[ids[i]];
  }
  return largest_drop <= fields.floor;
}

bool LabelCoder::ReadTies(const BitReader& reader, uint32_t count, uint64_t* position, LabelCodes* codes) const {
  const uint16_t* values = codes->values.data() + (codes->values.size() - count);
  const size_t first = codes->tie_ranks.size();
  for (uint32_t entry = 0; entry < count; ++entry) {
    const auto equal = static_cast<uint64_t>(std::count(values, values + count, values[entry]));
    const uint32_t rank = reader.Get(position, BitWidth(equal - 1));
    if (rank >= equal) return false;
    for (uint32_t other = 0; other < entry; ++other) {
      if (values[other] == values[entry] && codes->tie_ranks[first + other] == rank) return false;
    }
    codes->tie_ranks.push_back(rank);
  }
  return true;
}

size_t LabelCoder::Decode(const BitReader& reader, std::span<const Source> sources, LabelCodes* codes) const {
  // Fewer labels are not worth the wide walk, and it takes memory for the longest label in every lane.
  constexpr uint32_t kMostWideEntries = 4096;
  const bool wide = sources.size() >= 2 * kNumLanes && params_.k <= kMostWideEntries && HasAvx512();
  const size_t num_lanes = wide ? kWideLanes : kNumLanes;
  std::array<Fields, kWideLanes> fields;
  std::array<Walk, kWideLanes> walks;
  thread_local std::vector<WalkEntry> entries;  // of this thread's labels, one call after the other
  for (size_t begin = 0; begin < sources.size(); begin += num_lanes) {
    const size_t count = std::min(num_lanes, sources.size() - begin);
    for (size_t i = 0; i < count; ++i) {
      if (!ReadFields(reader, sources[begin + i], &fields[i], &walks[i], codes)) return begin + i;
    }
    const auto read_entries = wide ? ReadEntriesWide : ReadEntries;
    read_entries(reader, entry_decoders_, std::span(walks).first(count), &entries);
    for (size_t i = 0; i < count; ++i) {
      uint64_t position = walks[i].position;
      if (!PlaceEntries(fields[i], walks[i], entries.data() + i, num_lanes, codes) ||
          (params_.record_order && !ReadTies(reader, fields[i].count, &position, codes)) ||
          position != sources[begin + i].end) {
        return begin + i;
      }
    }
  }
  return sources.size();
}

}  // namespace decant
