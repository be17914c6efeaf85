#include "huffman.h"

#include <algorithm>
#include <vector>

#include "decant/base/error.h"

namespace decant {
namespace {

// Code words by symbol, first bit lowest: symbols of equal length count upwards, shorter ones come first.
std::array<uint32_t, kNumSymbols> CodeWords(const CodeLengths& lengths) {
  std::array<uint32_t, kNumSymbols> words{};
  uint32_t next = 0;
  for (unsigned length = 1; length <= kMaxCodeBits; ++length, next <<= 1) {
    for (unsigned symbol = 0; symbol < kNumSymbols; ++symbol) {
      if (lengths[symbol] != length) continue;
      for (unsigned bit = 0; bit < length; ++bit) words[symbol] |= (next >> (length - 1 - bit) & 1) << bit;
      ++next;
    }
  }
  return words;
}

struct Package {
  uint64_t weight = 0;
  std::vector<uint8_t> symbols;
};

}  // namespace

CodeLengths MakeCodeLengths(const SymbolCounts& counts) {
  std::vector<Package> leaves;
  for (unsigned symbol = 0; symbol < kNumSymbols; ++symbol) {
    if (counts[symbol] > 0 || symbol == kEscape) {
      leaves.push_back({std::max<uint64_t>(1, counts[symbol]), {static_cast<uint8_t>(symbol)}});
    }
  }
  if (leaves.size() == 1) leaves.push_back({1, {0}});
  const auto lighter = [](const Package& a, const Package& b) { return a.weight < b.weight; };
  std::stable_sort(leaves.begin(), leaves.end(), lighter);

  std::vector<Package> level = leaves;
  for (unsigned length = 1; length < kMaxCodeBits; ++length) {
    std::vector<Package> packages;
    for (size_t i = 0; i + 1 < level.size(); i += 2) {
      Package pair = std::move(level[i]);
      pair.weight += level[i + 1].weight;
      pair.symbols.insert(pair.symbols.end(), level[i + 1].symbols.begin(), level[i + 1].symbols.end());
      packages.push_back(std::move(pair));
    }
    level.clear();
    std::merge(leaves.begin(), leaves.end(), packages.begin(), packages.end(), std::back_inserter(level), lighter);
  }
  CodeLengths lengths{};
  for (size_t i = 0; i < 2 * leaves.size() - 2; ++i) {
    for (const uint8_t symbol : level[i].symbols) ++lengths[symbol];
  }
  return lengths;
}

void CheckCodeLengths(const CodeLengths& lengths, std::string_view what) {
  uint32_t used = 0;
  for (const uint8_t length : lengths) {
    if (length > kMaxCodeBits) Fail(ErrorCode::kDataLoss, "{}: a code of {} bits", what, length);
    if (length > 0) used += 1u << (kMaxCodeBits - length);
  }
  if (used != 1u << kMaxCodeBits || lengths[kEscape] == 0) {
    Fail(ErrorCode::kDataLoss, "{}: not a complete code with an escape", what);
  }
}

HuffmanEncoder::HuffmanEncoder(const CodeLengths& lengths) {
  const auto words = CodeWords(lengths);
  for (unsigned symbol = 0; symbol < kNumSymbols; ++symbol) {
    const bool escaped = lengths[symbol] == 0;
    const uint32_t bits = escaped ? words[kEscape] | symbol << lengths[kEscape] : words[symbol];
    codes_[symbol].bits = bits & 0xffffff;
    codes_[symbol].length = escaped ? lengths[kEscape] + 8u : lengths[symbol];
  }
}

void FillDecodeTable(const CodeLengths& lengths, const PlainBits& plain_bits, DecodeTable* table) {
  const auto words = CodeWords(lengths);
  for (unsigned symbol = 0; symbol < kNumSymbols; ++symbol) {
    if (lengths[symbol] == 0) continue;
    for (uint32_t index = words[symbol]; index < table->size(); index += 1u << lengths[symbol]) {
      (*table)[index] = static_cast<uint16_t>(symbol | (lengths[symbol] + plain_bits[symbol]) << 8);
    }
  }
}

}  // namespace decant
