#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "bit_stream.h"
#include "bucket.h"
#include "huffman.h"

namespace decant {

// Labels whose entries are read side by side.
inline constexpr size_t kNumLanes = 4;

// How far an entry is from where distances count, and the floor minus its value.
struct WalkEntry {
  uint32_t distance;
  uint32_t drop;
};

// One label's entries: `num_above` steps upwards, then `num_below` downwards.
struct Walk {
  uint64_t position = 0;  // in the stream; moves on
  uint32_t num_above = 0;
  uint32_t num_below = 0;
  // Found: the last distance in each direction, which bounds all before it.
  uint64_t farthest_above = 0;
  uint64_t farthest_below = 0;

  uint32_t num_steps() const { return num_above + num_below; }
};

// The codes of an entry in one context, ready to be read. There must be kNumDistanceContexts of them.
struct EntryDecoder {
  DecodeTable gap;
  DecodeTable value;
};
inline constexpr size_t kNumDistanceContexts = 65;
inline constexpr unsigned kIndexMask = (1u << kMaxCodeBits) - 1;

// Reads the entries of at most kNumLanes labels. `entries` becomes [steps][kNumLanes].
void ReadEntries(const BitReader& reader, const std::vector<EntryDecoder>& decoders, std::span<Walk> walks,
                 std::vector<WalkEntry>* entries);

// Reads one entry of one label and moves on.
void ReadEntry(const BitReader& reader, const std::vector<EntryDecoder>& decoders, uint64_t* position,
               uint64_t* distance, WalkEntry* entry);

// A number whose symbol is rare. By value, so that positions stay in registers.
struct RareNumber {
  uint64_t end;
  uint32_t value;
};
[[gnu::cold]] RareNumber GetRareNumber(BitReader reader, const SymbolRanges& ranges, uint32_t entry, uint64_t position);

// The number whose entry in a table is `entry`, not a rare one, of the bits from its code on.
inline uint32_t NumberIn(uint64_t window, uint32_t entry, const SymbolRanges& ranges) {
  const unsigned plain_bits = ranges.plain_bits[entry & 0xff];
  return ranges.base[entry & 0xff] + static_cast<uint32_t>(LowBits(window >> ((entry >> 8) - plain_bits), plain_bits));
}

// Reads one number and moves on.
inline uint32_t GetNumber(const BitReader& reader, const DecodeTable& decoder, const SymbolRanges& ranges,
                          uint64_t* position) {
  const uint64_t window = reader.Peek(*position);
  const uint32_t entry = decoder[window & kIndexMask];
  if ((entry & 0xff) >= ranges.first_rare) [[unlikely]] {
    const RareNumber number = GetRareNumber(reader, ranges, entry, *position);
    *position = number.end;
    return number.value;
  }
  *position += entry >> 8;
  return NumberIn(window, entry, ranges);
}

}  // namespace decant
