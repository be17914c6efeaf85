#pragma once

#include <array>
#include <cstdint>

#include "bit_stream.h"
#include "huffman.h"

namespace decant {

// Unsigned integers as a symbol, which is entropy coded, and low bits, which are not: values below 2^(M + 1) have a
// symbol each, every octave above has 2^M symbols and so keeps M bits after the leading one.
template <unsigned kMantissaBits>
struct Bucket {
  static constexpr unsigned kDirect = 2u << kMantissaBits;

  // The plain bits of a value. Without branches, which nobody could predict.
  static unsigned PlainBits(uint32_t value) { return BitWidth(value | kDirect / 2) - 1 - kMantissaBits; }
  static unsigned Symbol(uint32_t value) {
    const unsigned plain_bits = PlainBits(value);
    return (plain_bits << kMantissaBits) + (value >> plain_bits);
  }
  static constexpr unsigned ExtraBits(unsigned symbol) { return symbol < kDirect ? 0 : (symbol >> kMantissaBits) - 1; }
  // The smallest value of a symbol.
  static constexpr uint32_t Base(unsigned symbol) {
    if (symbol < kDirect) return symbol;
    const uint64_t mantissa = (1u << kMantissaBits) | (symbol & ((1u << kMantissaBits) - 1));
    return static_cast<uint32_t>(mantissa << ExtraBits(symbol));
  }
};

// Codes, which have at most 17 bits: 32 + 16 x 12 symbols. Gaps between classes, 32 bits: 16 + 8 x 28 symbols.
using CodeBucket = Bucket<4>;
using GapBucket = Bucket<3>;

inline constexpr unsigned kNumCodeSymbols = 224;
inline constexpr unsigned kNumGapSymbols = 240;

// What a symbol stands for: numbers from `base` on, told apart by plain bits.
struct SymbolRange {
  uint32_t base = 0;
  uint32_t plain_bits = 0;
};
using SymbolRanges = std::array<SymbolRange, kNumSymbols>;

template <typename B>
constexpr SymbolRanges MakeRanges(unsigned num_symbols) {
  SymbolRanges ranges;
  ranges.fill({0xffffffff, 0});  // symbols that no number has, and more than any number can be
  for (unsigned symbol = 0; symbol < num_symbols; ++symbol) ranges[symbol] = {B::Base(symbol), B::ExtraBits(symbol)};
  return ranges;
}
// Symbols from here on are read apart from the others: escapes, and gaps of so many plain bits that no value fits
// into a window beside them.
inline constexpr unsigned kFirstRareCode = kNumCodeSymbols;
inline constexpr unsigned kFirstRareGap = 208;

inline constexpr SymbolRanges kCodeRanges = MakeRanges<CodeBucket>(kNumCodeSymbols);
inline constexpr SymbolRanges kGapRanges = MakeRanges<GapBucket>(kNumGapSymbols);

}  // namespace decant
