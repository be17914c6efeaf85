#include "label_walk.h"

#include <algorithm>
#include <utility>

#include "decant/base/clones.h"

#include "label_numbers.h"

namespace decant {
namespace {

// What changes from entry to entry, in registers.
struct Lane {
  uint64_t position = 0;
  uint64_t distance = 0;
};

struct Source {
  BitReader reader;
  const EntryDecoder* decoders;
};

// Bits that one entry can take.
constexpr uint64_t kMostEntryBits = 2 * (kMaxCodeBits + 8) + 28 + 12;
constexpr size_t kStepsPerCheck = 16;

// `kInside`: the position lies inside the stream for certain.
template <bool kInside>
[[gnu::always_inline]] inline uint64_t Peek(const BitReader& reader, uint64_t position) {
  return kInside ? reader.PeekInside(position) : reader.Peek(position);
}

// Takes and gives a lane by value: through a pointer, GCC 12 keeps it in memory.
template <bool kInside>
[[gnu::always_inline]] inline Lane Step(const Source& source, Lane lane, WalkEntry* entry) {
  const EntryDecoder& decoder = source.decoders[DistanceContext(lane.distance)];
  uint64_t window = Peek<kInside>(source.reader, lane.position);
  const uint32_t gap = decoder.gap[window & kIndexMask];
  if ((gap & 0xff) >= kGapRanges.first_rare) [[unlikely]] {
    const RareNumber number = GetRareNumber(source.reader, kGapRanges, gap, lane.position);
    lane.distance += uint64_t{1} + number.value;
    lane.position = number.end;
    window = Peek<kInside>(source.reader, lane.position);
  } else {
    lane.distance += 1 + NumberIn(window, gap, kGapRanges);
    lane.position += gap >> 8;
    window >>= gap >> 8;  // 57 bits hold a gap of 10 + 24 and a value of 10 + 12
  }
  const uint32_t value = decoder.value[window & kIndexMask];
  entry->distance = static_cast<uint32_t>(lane.distance);
  if ((value & 0xff) >= kCodeRanges.first_rare) [[unlikely]] {
    const RareNumber number = GetRareNumber(source.reader, kCodeRanges, value, lane.position);
    entry->drop = number.value;
    lane.position = number.end;
  } else {
    entry->drop = NumberIn(window, value, kCodeRanges);
    lane.position += value >> 8;
  }
  return lane;
}

// Each entry waits for the bits of the one before it, so labels are read side by side.
DECANT_CLONES("bmi2")
void StepLanes(const Source& source_in_memory, size_t num_steps, Lane* lanes, WalkEntry* entries) {
  const Source source = source_in_memory;
  Lane a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
  while (num_steps > 0) {
    const size_t run = std::min(num_steps, kStepsPerCheck);
    const WalkEntry* const end = entries + run * kNumLanes;
    const uint64_t farthest = std::max(std::max(a.position, b.position), std::max(c.position, d.position));
    if (farthest + kStepsPerCheck * kMostEntryBits <= source.reader.num_bits()) {
      for (; entries != end; entries += kNumLanes) {
        a = Step<true>(source, a, entries);
        b = Step<true>(source, b, entries + 1);
        c = Step<true>(source, c, entries + 2);
        d = Step<true>(source, d, entries + 3);
      }
    } else {
      for (; entries != end; entries += kNumLanes) {
        a = Step<false>(source, a, entries);
        b = Step<false>(source, b, entries + 1);
        c = Step<false>(source, c, entries + 2);
        d = Step<false>(source, d, entries + 3);
      }
    }
    num_steps -= run;
  }
  lanes[0] = a, lanes[1] = b, lanes[2] = c, lanes[3] = d;
}

DECANT_CLONES("bmi2")
void StepLane(const Source& source_in_memory, size_t num_steps, Lane* lane_in_memory, WalkEntry* entries) {
  const Source source = source_in_memory;
  Lane lane = *lane_in_memory;
  if (lane.position + num_steps * kMostEntryBits <= source.reader.num_bits()) {
    for (size_t step = 0; step < num_steps; ++step) lane = Step<true>(source, lane, entries + step * kNumLanes);
  } else {
    for (size_t step = 0; step < num_steps; ++step) lane = Step<false>(source, lane, entries + step * kNumLanes);
  }
  *lane_in_memory = lane;
}

}  // namespace

RareNumber GetRareNumber(BitReader reader, const SymbolRanges& ranges, uint32_t entry, uint64_t position) {
  unsigned symbol = entry & 0xff;
  position += (entry >> 8) - ranges.plain_bits[symbol];
  if (symbol == kEscape) symbol = reader.Get(&position, 8);
  const uint32_t value = ranges.base[symbol] + reader.Get(&position, ranges.plain_bits[symbol]);
  return {position, value};
}

void ReadEntry(const BitReader& reader, const std::vector<EntryDecoder>& decoders, uint64_t* position,
               uint64_t* distance, WalkEntry* entry) {
  Lane lane = {.position = *position, .distance = *distance};
  lane = Step<false>({reader, decoders.data()}, lane, entry);
  *position = lane.position;
  *distance = lane.distance;
}

void ReadEntries(const BitReader& reader, const std::vector<EntryDecoder>& decoders, std::span<Walk> walks,
                 std::vector<WalkEntry>* entries) {
  const Source source = {reader, decoders.data()};
  size_t most_steps = 0;
  size_t common_steps = walks.size() == kNumLanes ? SIZE_MAX : 0;
  std::array<Lane, kNumLanes> lanes;
  for (size_t i = 0; i < walks.size(); ++i) {
    lanes[i] = {.position = walks[i].position};
    most_steps = std::max<size_t>(most_steps, walks[i].num_steps());
    common_steps = std::min<size_t>(common_steps, walks[i].num_steps());
  }
  entries->resize(most_steps * kNumLanes);

  // Runs end where a label turns round.
  const auto turn = [&](size_t i, size_t step) {
    if (step == walks[i].num_above) walks[i].farthest_above = std::exchange(lanes[i].distance, 0);
  };
  size_t step = 0;
  for (size_t i = 0; i < walks.size(); ++i) turn(i, 0);
  while (step < common_steps) {
    size_t end = common_steps;
    for (const Walk& walk : walks) {
      if (walk.num_above > step) end = std::min<size_t>(end, walk.num_above);
    }
    StepLanes(source, end - step, lanes.data(), entries->data() + step * kNumLanes);
    step = end;
    for (size_t i = 0; i < walks.size(); ++i) turn(i, step);
  }
  for (size_t i = 0; i < walks.size(); ++i) {
    for (size_t at = step; at < walks[i].num_steps();) {
      const size_t end = walks[i].num_above > at ? walks[i].num_above : walks[i].num_steps();
      StepLane(source, end - at, &lanes[i], entries->data() + at * kNumLanes + i);
      at = end;
      turn(i, at);
    }
    walks[i].position = lanes[i].position;
    walks[i].farthest_below = walks[i].num_below > 0 ? lanes[i].distance : 0;
  }
}

}  // namespace decant
