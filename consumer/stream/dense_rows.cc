#include "dense_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"  // false alarms of GCC 12's own <immintrin.h>
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace decant {
namespace {

constexpr size_t kLineBytes = 64;

template <typename Number>
struct alignas(kLineBytes) Line {
  static constexpr size_t kSize = kLineBytes / sizeof(Number);
  Number numbers[kSize];
};

// Writes a line `count` times, from a line's begin on, past the caches.
using StreamLines = void (*)(const void* line, size_t count, void* to);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void StreamLines512(const void* line, size_t count, void* to) {
  const __m512i value = _mm512_load_si512(line);
  for (auto* next = static_cast<__m512i*>(to); count > 0; --count) _mm512_stream_si512(next++, value);
}
__attribute__((target("avx"))) void StreamLines256(const void* line, size_t count, void* to) {
  const auto* const from = static_cast<const __m256i*>(line);
  const __m256i halves[] = {_mm256_load_si256(from), _mm256_load_si256(from + 1)};
  auto* next = static_cast<__m256i*>(to);
  for (; count > 0; --count) {
    for (const __m256i& half : halves) _mm256_stream_si256(next++, half);
  }
}
#endif

void CopyLines(const void* line, size_t count, void* to) {
  auto* next = static_cast<std::byte*>(to);
  for (; count > 0; --count, next += kLineBytes) std::memcpy(next, line, kLineBytes);
}

StreamLines FindStreamLines() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return StreamLines512;
  if (__builtin_cpu_supports("avx")) return StreamLines256;
#endif
  return CopyLines;
}

}  // namespace

template <typename Number>
void RowStreamer::Write(std::span<Number> row, Number fill, std::span<const uint32_t> ids,
                        std::span<const Number> values) {
  static const StreamLines kStream = FindStreamLines();
  constexpr size_t kSize = Line<Number>::kSize;
  const size_t misaligned = reinterpret_cast<uintptr_t>(row.data()) % kLineBytes / sizeof(Number);
  const size_t head = std::min((kSize - misaligned) % kSize, row.size());
  const size_t num_lines = (row.size() - head) / kSize;
  const size_t tail = head + num_lines * kSize;
  std::fill_n(row.data(), head, fill);
  std::fill(row.begin() + static_cast<std::ptrdiff_t>(tail), row.end(), fill);

  if (first_of_line_.size() < num_lines) first_of_line_.resize(num_lines, kNone);
  used_lines_.assign(num_lines / 64 + 1, 0);
  next_.resize(ids.size());
  for (uint32_t entry = 0; entry < ids.size(); ++entry) {
    const size_t id = ids[entry];
    if (id < head || id >= tail) {
      row[id] = values[entry];
      continue;
    }
    const size_t line = (id - head) / kSize;
    next_[entry] = first_of_line_[line];
    first_of_line_[line] = entry;
    used_lines_[line / 64] |= uint64_t{1} << line % 64;
  }

  Line<Number> plain;
  std::fill_n(plain.numbers, kSize, fill);
  Number* const begin = row.data() + head;
  size_t next_line = 0;
  for (size_t word = 0; word < used_lines_.size(); ++word) {
    for (uint64_t bits = used_lines_[word]; bits != 0; bits &= bits - 1) {
      const size_t line = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      kStream(&plain, line - next_line, begin + next_line * kSize);
      Line<Number> mixed = plain;
      for (uint32_t entry = first_of_line_[line]; entry != kNone; entry = next_[entry]) {
        mixed.numbers[(ids[entry] - head) % kSize] = values[entry];
      }
      first_of_line_[line] = kNone;
      kStream(&mixed, 1, begin + line * kSize);
      next_line = line + 1;
    }
  }
  kStream(&plain, num_lines - next_line, begin + next_line * kSize);
#if defined(__x86_64__)
  _mm_sfence();  // the streams are in order for whoever reads next
#endif
}

template void RowStreamer::Write(std::span<float>, float, std::span<const uint32_t>, std::span<const float>);
template void RowStreamer::Write(std::span<uint16_t>, uint16_t, std::span<const uint32_t>, std::span<const uint16_t>);

}  // namespace decant
