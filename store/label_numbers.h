#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "decant/store/codec_tables.h"
#include "decant/store/label_codes.h"

#include "bit_stream.h"

namespace decant {

// The context of the entry after the one at `distance`: the bits of that distance.
inline unsigned DistanceContext(uint64_t distance) {
  return 63 ^ static_cast<unsigned>(std::countl_zero(2 * distance | 1));
}

// Tells `sink` the numbers of a label, in the order in which they are coded:
//   count (unless fixed) | tail | other tails | true value | extra | floor
//   anchored: top | anchor | number of entries above the anchor
//   of each entry: gap, drop | rank among equal values
// `floor` is the largest value code; `top` and `drop` are the floor minus a value. Distances count from the place
// before the first, upwards; or, anchored, from the likeliest entry's place, first upwards, then downwards. A gap is
// the places between an entry and the one before it. `places` are those of the label's entries, ascending.
template <typename Sink>
[[gnu::always_inline]] inline void ListNumbers(const CodecParams& params, bool anchored, const LabelCodes& codes,
                                               size_t index, const uint32_t* places, bool fixed_count, Sink* sink) {
  const uint32_t first = codes.offsets[index];
  const uint32_t count = codes.offsets[index + 1] - first;
  const uint16_t* values = codes.values.data() + first;
  if (!fixed_count) sink->Amount(CodecTables::kCount, count);
  if (!codes.tails.empty()) sink->Code(CodecTables::kTail, (codes.tails[index] + 1) & 0xffff);
  const size_t num_others = params.temperatures.size() - 1;
  for (size_t t = 0; t < num_others; ++t) {
    sink->Code(CodecTables::kOtherTails, codes.other_tails[index * num_others + t]);
  }
  if (params.true_label) sink->Code(CodecTables::kTrueLabel, codes.true_values[index]);
  if (params.has_extras()) sink->Plain(codes.extras[index], 32);

  const uint32_t floor = *std::max_element(values, values + count);
  sink->Code(CodecTables::kFloor, floor);
  uint64_t distance = 0;
  const auto entry_at = [&](uint64_t next, uint16_t value) {
    sink->Entry(DistanceContext(distance), static_cast<uint32_t>(next - distance - 1), floor - value);
    distance = next;
  };
  if (anchored) {
    const auto anchor = static_cast<size_t>(std::min_element(values, values + count) - values);
    sink->Code(CodecTables::kTop, floor - values[anchor]);
    sink->Plain(places[anchor], BitWidth(params.num_classes - 1));
    sink->Amount(CodecTables::kNumAbove, static_cast<uint32_t>(count - 1 - anchor));
    for (size_t entry = anchor + 1; entry < count; ++entry) entry_at(places[entry] - places[anchor], values[entry]);
    distance = 0;
    for (size_t entry = anchor; entry-- > 0;) entry_at(places[anchor] - places[entry], values[entry]);
  } else {
    for (uint32_t entry = 0; entry < count; ++entry) entry_at(uint64_t{places[entry]} + 1, values[entry]);
  }
  if (!params.record_order) return;
  for (uint32_t entry = 0; entry < count; ++entry) {
    const auto equal = std::count(values, values + count, values[entry]);
    sink->Plain(codes.tie_ranks[first + entry], BitWidth(static_cast<uint64_t>(equal - 1)));
  }
}

}  // namespace decant
