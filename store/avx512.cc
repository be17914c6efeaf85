#include "avx512.h"

#include <algorithm>
#include <bit>

#include "bucket.h"
#include "label_numbers.h"

#if defined(__x86_64__) && defined(__GNUC__)
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"  // false alarms of GCC 12's own <immintrin.h>
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#define DECANT_WIDE __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl")))

namespace decant {
namespace {

constexpr size_t kGroupLanes = 8;
constexpr size_t kGroups = kWideLanes / kGroupLanes;

// Eight labels.
struct Group {
  __m512i position, distance, num_above, num_steps, farthest_above;
};

DECANT_WIDE inline __m512i Load(const void* from) {
  return _mm512_loadu_si512(from);
}

DECANT_WIDE inline __m512i Set(uint64_t value) {
  return _mm512_set1_epi64(static_cast<int64_t>(value));
}

// A number by its entry in a table, whose upper bits are not its own: plain bits of `window` above the code, below the
// mantissa that the symbol tells (Bucket<kMantissaBits>).
struct Number {
  __m512i value, width, symbol;
};
template <unsigned kMantissaBits>
DECANT_WIDE inline Number NumberIn(__m512i window, __m512i entry) {
  const __m512i byte_mask = Set(0xff);
  const __m512i symbol = _mm512_and_si512(entry, byte_mask);
  const __m512i width = _mm512_and_si512(_mm512_srli_epi64(entry, 8), byte_mask);
  const __m512i plain_bits = _mm512_subs_epu8(_mm512_srli_epi64(symbol, kMantissaBits), Set(1));
  const __m512i mantissa = _mm512_sub_epi64(symbol, _mm512_slli_epi64(plain_bits, kMantissaBits));
  const __m512i above = _mm512_sllv_epi64(Set(~uint64_t{0}), plain_bits);
  const __m512i plain = _mm512_andnot_si512(above, _mm512_srlv_epi64(window, _mm512_sub_epi64(width, plain_bits)));
  return {.value = _mm512_or_si512(_mm512_sllv_epi64(mantissa, plain_bits), plain), .width = width, .symbol = symbol};
}

// The lanes of `rare`, one by one.
[[gnu::noinline, gnu::cold]] void StepRareLanes(const BitReader& reader, const std::vector<EntryDecoder>& decoders,
                                                unsigned rare, Group* group, WalkEntry* entries) {
  auto* const positions = reinterpret_cast<uint64_t*>(&group->position);
  auto* const distances = reinterpret_cast<uint64_t*>(&group->distance);
  for (; rare != 0; rare &= rare - 1) {
    const auto lane = static_cast<size_t>(std::countr_zero(rare));
    ReadEntry(reader, decoders, &positions[lane], &distances[lane], &entries[lane]);
  }
}

struct Source {
  const BitReader* reader;
  const std::vector<EntryDecoder>* decoders;
};

// One step of all groups, side by side: each gather waits for the one before it of its own group.
DECANT_WIDE inline void StepGroups(const Source& source, uint64_t step_number, Group* groups, WalkEntry* entries) {
  static_assert(sizeof(EntryDecoder) == 4 << kMaxCodeBits);
  // Table entries are gathered with the two bytes after them. No distance has the last context, so these are there.
  const __m512i index_mask = Set(kIndexMask), one = Set(1), step = Set(step_number);
  const auto* const gap_decoders = reinterpret_cast<const char*>(source.decoders->data());
  const char* const value_decoders = gap_decoders + offsetof(EntryDecoder, value);
  const __m512i end = Set(source.reader->num_bits());
  __m512i table[kGroups], window[kGroups], distance[kGroups], width[kGroups];
  __mmask8 rare[kGroups];
#pragma GCC unroll 8
  for (size_t g = 0; g < kGroups; ++g) {
    Group& group = groups[g];
    const __mmask8 turning = _mm512_cmpeq_epi64_mask(group.num_above, step);
    group.farthest_above = _mm512_mask_mov_epi64(group.farthest_above, turning, group.distance);
    group.distance = _mm512_maskz_mov_epi64(static_cast<__mmask8>(~turning), group.distance);
    const __m512i twice = _mm512_or_si512(_mm512_slli_epi64(group.distance, 1), one);
    const __m512i context = _mm512_xor_si512(_mm512_lzcnt_epi64(twice), Set(63));
    table[g] = _mm512_slli_epi64(context, kMaxCodeBits + 1);
    const __m512i inside = _mm512_min_epu64(group.position, end);
    window[g] = _mm512_i64gather_epi64(_mm512_srli_epi64(inside, 3), source.reader->bytes(), 1);
    window[g] = _mm512_srlv_epi64(window[g], _mm512_and_si512(inside, Set(7)));
  }
#pragma GCC unroll 8
  for (size_t g = 0; g < kGroups; ++g) {
    const __m512i index = _mm512_or_si512(table[g], _mm512_and_si512(window[g], index_mask));
    const Number gap =
        NumberIn<3>(window[g], _mm512_cvtepu32_epi64(_mm512_i64gather_epi32(index, gap_decoders, sizeof(uint16_t))));
    distance[g] = _mm512_add_epi64(_mm512_add_epi64(groups[g].distance, one), gap.value);
    width[g] = gap.width;
    window[g] = _mm512_srlv_epi64(window[g], gap.width);
    rare[g] = _mm512_cmpge_epu64_mask(gap.symbol, Set(kGapRanges.first_rare));
  }
#pragma GCC unroll 8
  for (size_t g = 0; g < kGroups; ++g) {
    Group& group = groups[g];
    const __m512i index = _mm512_or_si512(table[g], _mm512_and_si512(window[g], index_mask));
    const Number drop =
        NumberIn<4>(window[g], _mm512_cvtepu32_epi64(_mm512_i64gather_epi32(index, value_decoders, sizeof(uint16_t))));
    rare[g] |= _mm512_cmpge_epu64_mask(drop.symbol, Set(kCodeRanges.first_rare));
    const __m512i low = _mm512_and_si512(distance[g], Set(0xffffffff));
    WalkEntry* const to = entries + kGroupLanes * g;
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi64(drop.value, 32)));
    const __mmask8 active = _mm512_cmplt_epu64_mask(step, group.num_steps);
    const auto plain = static_cast<__mmask8>(active & ~rare[g]);
    group.position =
        _mm512_mask_add_epi64(group.position, plain, group.position, _mm512_add_epi64(width[g], drop.width));
    group.distance = _mm512_mask_mov_epi64(group.distance, plain, distance[g]);
    if ((rare[g] & active) != 0) [[unlikely]] {
      StepRareLanes(*source.reader, *source.decoders, rare[g] & active, &group, to);
    }
  }
}

}  // namespace

bool HasAvx512() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl");
  return has;
}

// Each entry waits for the bits of the one before it; four groups hide the wait.
DECANT_WIDE void ReadEntriesWide(const BitReader& reader, const std::vector<EntryDecoder>& decoders,
                                 std::span<Walk> walks, std::vector<WalkEntry>* entries) {
  alignas(64) uint64_t positions[kWideLanes] = {}, num_above[kWideLanes] = {}, num_steps[kWideLanes] = {};
  alignas(64) uint64_t distances[kWideLanes], farthest[kWideLanes];
  size_t most_steps = 0;
  for (size_t i = 0; i < walks.size(); ++i) {
    positions[i] = walks[i].position;
    num_above[i] = walks[i].num_above;
    num_steps[i] = walks[i].num_steps();
    most_steps = std::max<size_t>(most_steps, num_steps[i]);
  }
  entries->resize(most_steps * kWideLanes);
  Group groups[kGroups];
  for (size_t g = 0; g < kGroups; ++g) {
    groups[g] = {.position = Load(positions + 8 * g),
                 .distance = _mm512_setzero_si512(),
                 .num_above = Load(num_above + 8 * g),
                 .num_steps = Load(num_steps + 8 * g),
                 .farthest_above = _mm512_setzero_si512()};
  }
  WalkEntry* at = entries->data();
  for (size_t step = 0; step < most_steps; ++step, at += kWideLanes) {
    StepGroups({&reader, &decoders}, step, groups, at);
  }
  for (size_t g = 0; g < kGroups; ++g) {
    _mm512_store_si512(positions + 8 * g, groups[g].position);
    _mm512_store_si512(distances + 8 * g, groups[g].distance);
    _mm512_store_si512(farthest + 8 * g, groups[g].farthest_above);
  }
  for (size_t i = 0; i < walks.size(); ++i) {
    Walk& walk = walks[i];
    walk.position = positions[i];
    walk.farthest_above = walk.num_above == most_steps ? distances[i] : farthest[i];
    walk.farthest_below = walk.num_below > 0 ? distances[i] : 0;
  }
}

DECANT_WIDE bool PlaceEntriesWide(const Placement& placement, const WalkEntry* entries, uint32_t* ids,
                                  uint16_t* values) {
  const uint32_t num_above = placement.count - placement.num_below - placement.anchored;
  const __m512i num_below = Set(placement.num_below), start = Set(placement.start), floor = Set(placement.floor);
  const __m512i last_below = Set(uint64_t{num_above} + placement.num_below - 1);  // the step of entry 0
  const __m512i first_above = Set(uint64_t{placement.num_below} + placement.anchored);
  const __m512i top = Set(placement.top), low_half = Set(0xffffffff);
  const uint32_t* const class_order = placement.class_order;
  __m512i entry = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  static_assert(kWideLanes * sizeof(WalkEntry) == 1 << 8);
  __mmask8 beyond = placement.anchored && placement.top > placement.floor;  // drops
  for (uint32_t begin = 0; begin < placement.count; begin += kGroupLanes) {
    const auto present =
        static_cast<__mmask8>(placement.count - begin >= kGroupLanes ? 0xff : (1u << (placement.count - begin)) - 1);
    const __mmask8 below = _mm512_cmplt_epi64_mask(entry, num_below);
    const auto anchor =
        static_cast<__mmask8>(placement.anchored ? _mm512_cmpeq_epi64_mask(entry, num_below) : __mmask8{0});
    const __m512i step = _mm512_mask_sub_epi64(_mm512_sub_epi64(entry, first_above), below, last_below, entry);
    const auto walked = static_cast<__mmask8>(present & ~anchor);
    const __m512i found =
        _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), walked, _mm512_slli_epi64(step, 8), entries, 1);
    const __m512i distance = _mm512_and_si512(found, low_half);
    const __m512i drop = _mm512_mask_mov_epi64(_mm512_srli_epi64(found, 32), anchor, top);
    beyond |= _mm512_mask_cmpgt_epu64_mask(present, drop, floor);
    __m512i place = _mm512_mask_sub_epi64(_mm512_add_epi64(start, distance), below, start, distance);
    place = _mm512_and_si512(place, low_half);
    if (class_order != nullptr) {
      _mm256_mask_storeu_epi32(ids + begin, present,
                               _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), present, place, class_order, 4));
    } else {
      _mm256_mask_storeu_epi32(ids + begin, present, _mm512_cvtepi64_epi32(place));
    }
    _mm512_mask_cvtepi64_storeu_epi16(values + begin, present, _mm512_sub_epi64(floor, drop));
    entry = _mm512_add_epi64(entry, Set(kGroupLanes));
  }
  return beyond == 0;
}

DECANT_WIDE void CountSmallerWide(const uint32_t* keys, size_t num_keys, uint32_t* ranks) {
  const __m512i one = _mm512_set1_epi32(1);
  for (size_t begin = 0; begin < num_keys; begin += kRankedAtOnce) {
    const __m512i low = Load(keys + begin), high = Load(keys + begin + 16);
    __m512i low_ranks = _mm512_setzero_si512(), high_ranks = _mm512_setzero_si512();
    for (size_t i = 0; i < num_keys; ++i) {
      const __m512i key = _mm512_set1_epi32(static_cast<int32_t>(keys[i]));
      low_ranks = _mm512_mask_add_epi32(low_ranks, _mm512_cmplt_epu32_mask(key, low), low_ranks, one);
      high_ranks = _mm512_mask_add_epi32(high_ranks, _mm512_cmplt_epu32_mask(key, high), high_ranks, one);
    }
    _mm512_storeu_si512(ranks + begin, low_ranks);
    _mm512_storeu_si512(ranks + begin + 16, high_ranks);
  }
}

}  // namespace decant

#else

namespace decant {

bool HasAvx512() {
  return false;
}
void ReadEntriesWide(const BitReader&, const std::vector<EntryDecoder>&, std::span<Walk>, std::vector<WalkEntry>*) {}
bool PlaceEntriesWide(const Placement&, const WalkEntry*, uint32_t*, uint16_t*) {
  return false;
}

void CountSmallerWide(const uint32_t*, size_t, uint32_t*) {}

}  // namespace decant
#endif
