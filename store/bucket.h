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
struct SymbolRanges {
  std::array<uint32_t, kNumSymbols> base;
  PlainBits plain_bits;
  unsigned first_rare;  // symbols from here on, the escape among them, are read apart from the others
};

template <typename B>
constexpr SymbolRanges MakeRanges(unsigned num_symbols, unsigned first_rare) {
  SymbolRanges ranges{.first_rare = first_rare};
  for (unsigned symbol = 0; symbol < kNumSymbols; ++symbol) {
    // A symbol that no number has stands for more than any number can be.
    ranges.base[symbol] = symbol < num_symbols ? B::Base(symbol) : 0xffffffff;
    ranges.plain_bits[symbol] = static_cast<uint8_t>(symbol < num_symbols ? B::ExtraBits(symbol) : 0);
  }
  return ranges;
}
inline constexpr SymbolRanges kCodeRanges = MakeRanges<CodeBucket>(kNumCodeSymbols, kNumCodeSymbols);
// Gaps of 25 plain bits and more do not fit into a window with a value beside them.
inline constexpr SymbolRanges kGapRanges = MakeRanges<GapBucket>(kNumGapSymbols, 208);

}  // namespace decant
