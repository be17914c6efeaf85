#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "label_walk.h"

namespace decant {

// What AVX-512 makes faster. Each function does what its plain namesake does, and must not be called on a processor
// that has not the instructions.
bool HasAvx512();

// ReadEntries() of up to kWideLanes labels, eight in a register. `entries` becomes [steps][kWideLanes].
inline constexpr size_t kWideLanes = 32;
void ReadEntriesWide(const BitReader& reader, const std::vector<EntryDecoder>& decoders, std::span<Walk> walks,
                     std::vector<WalkEntry>* entries);

// Where a label's entries go: see LabelCoder::PlaceEntries().
struct Placement {
  uint32_t count = 0;      // entries, the anchor included
  uint32_t num_below = 0;  // entries before the anchor
  bool anchored = false;
  uint32_t start = 0;  // the place from which distances count
  uint32_t floor = 0;
  uint32_t top = 0;                       // the anchor's drop
  const uint32_t* class_order = nullptr;  // null: places are ids
};
// `entries` is the label's first of [steps][kWideLanes]. False when a drop is beyond the floor.
bool PlaceEntriesWide(const Placement& placement, const WalkEntry* entries, uint32_t* ids, uint16_t* values);

// CountSmaller() of `keys` that are padded with the largest number to a whole number of kRankedAtOnce.
inline constexpr size_t kRankedAtOnce = 32;
void CountSmallerWide(const uint32_t* keys, size_t num_keys, uint32_t* ranks);

}  // namespace decant
