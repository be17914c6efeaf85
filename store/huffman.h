#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "bit_stream.h"

namespace decant {

// Canonical Huffman codes of at most 10 bits for symbols below 255. A symbol without a code is written as the escape
// code and 8 plain bits, so that a table made from a sample codes everything.
inline constexpr unsigned kMaxCodeBits = 10;
inline constexpr unsigned kNumSymbols = 256;
inline constexpr unsigned kEscape = 255;

using SymbolCounts = std::array<uint64_t, kNumSymbols>;
using CodeLengths = std::array<uint8_t, kNumSymbols>;  // bits; 0: no code

// Lengths that code `counts` in the fewest bits (package-merge: Larmore and Hirschberg 1990). The escape and at least
// one symbol always have a code.
CodeLengths MakeCodeLengths(const SymbolCounts& counts);
// kDataLoss with `what` unless the lengths belong to a complete prefix code that has the escape.
void CheckCodeLengths(const CodeLengths& lengths, std::string_view what);

class HuffmanEncoder {
 public:
  HuffmanEncoder() = default;
  explicit HuffmanEncoder(const CodeLengths& lengths);

  struct Code {
    uint32_t bits : 24 = 0;
    uint32_t length : 8 = 0;  // at most kMaxCodeBits + 8
  };
  // The code of `symbol`, or its escape.
  Code operator[](unsigned symbol) const { return codes_[symbol]; }

 private:
  std::array<Code, kNumSymbols> codes_{};  // escapes included
};

// By the next kMaxCodeBits bits: the symbol (8 bits), and the bits of its code and of the plain bits after it (8 bits).
using DecodeTable = std::array<uint16_t, 1u << kMaxCodeBits>;
using PlainBits = std::array<uint8_t, kNumSymbols>;  // by symbol
void FillDecodeTable(const CodeLengths& lengths, const PlainBits& plain_bits, DecodeTable* table);

}  // namespace decant
