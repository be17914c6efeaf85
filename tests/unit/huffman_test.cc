#include "store/huffman.h"

#include <algorithm>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "store/bucket.h"
#include "unit/errors.h"

namespace decant {
namespace {

uint64_t CodedBits(const SymbolCounts& counts, const CodeLengths& lengths) {
  uint64_t bits = 0;
  for (unsigned symbol = 0; symbol < kNumSymbols; ++symbol) bits += counts[symbol] * lengths[symbol];
  return bits;
}

// The fewest bits of any complete code of at most `limit` bits for `weights`: tries how many codes have each length.
uint64_t FewestBits(std::vector<uint64_t> weights, unsigned limit) {
  std::sort(weights.rbegin(), weights.rend());
  uint64_t best = ~uint64_t{0};
  const auto extend = [&](const auto& self, unsigned length, size_t done, uint64_t open, uint64_t bits) -> void {
    if (done == weights.size()) {
      if (open == 0) best = std::min(best, bits);
      return;
    }
    if (length == limit || open == 0 || bits >= best) return;
    for (size_t ends = 0; ends <= std::min<uint64_t>(2 * open, weights.size() - done); ++ends) {
      uint64_t more = bits;
      for (size_t i = done; i < done + ends; ++i) more += weights[i] * (length + 1);
      self(self, length + 1, done + ends, std::min<uint64_t>(2 * open - ends, weights.size()), more);
    }
  };
  extend(extend, 0, 0, 1, 0);
  return best;
}

TEST(HuffmanTest, LengthsAreOptimal) {
  std::mt19937_64 bits(1);
  for (int round = 0; round < 200; ++round) {
    SymbolCounts counts{};
    counts[kEscape] = 1 + bits() % 20;
    std::vector<uint64_t> weights = {counts[kEscape]};
    for (uint64_t n = 1 + bits() % 8; n > 0; --n) {
      const auto symbol = static_cast<unsigned>(n * 17);
      counts[symbol] = 1 + bits() % (round % 2 == 0 ? 30 : 100000);
      weights.push_back(counts[symbol]);
    }
    ASSERT_EQ(CodedBits(counts, MakeCodeLengths(counts)), FewestBits(weights, kMaxCodeBits)) << "round " << round;
  }
}

// Fibonacci's numbers want codes of up to 19 bits.
TEST(HuffmanTest, LengthsAreOptimalUnderTheLimit) {
  SymbolCounts counts{};
  std::vector<uint64_t> weights;
  uint64_t a = 1, b = 1;
  for (unsigned symbol = 0; symbol < 19; ++symbol) {
    counts[symbol] = a;
    b = std::exchange(a, a + b) + 0 * b;
    weights.push_back(counts[symbol]);
  }
  counts[kEscape] = 1;
  weights.push_back(1);
  const CodeLengths lengths = MakeCodeLengths(counts);
  EXPECT_EQ(*std::max_element(lengths.begin(), lengths.end()), kMaxCodeBits);
  EXPECT_EQ(CodedBits(counts, lengths), FewestBits(weights, kMaxCodeBits));
}

TEST(HuffmanTest, EveryCodeIsCompleteAndHasAnEscape) {
  std::mt19937_64 bits(2);
  for (int round = 0; round < 100; ++round) {
    SymbolCounts counts{};
    for (uint64_t& count : counts) count = bits() % 4 == 0 ? bits() >> bits() % 64 >> 10 : 0;
    if (round == 0) counts = {};
    if (round == 1) counts.fill(1);
    EXPECT_NO_THROW(CheckCodeLengths(MakeCodeLengths(counts), "here")) << "round " << round;
  }
}

TEST(HuffmanTest, RefusesCodesThatAreNot) {
  const auto expect_refused = [](const CodeLengths& lengths, const std::string& text) {
    EXPECT_THAT([&] { CheckCodeLengths(lengths, "here"); }, FailsWith(ErrorCode::kDataLoss, text));
  };
  CodeLengths lengths{};
  expect_refused(lengths, "here: not a complete code with an escape");
  lengths[kEscape] = 1;
  expect_refused(lengths, "here: not a complete code with an escape");
  lengths[3] = 1;
  EXPECT_NO_THROW(CheckCodeLengths(lengths, "here"));
  lengths[4] = 1;
  expect_refused(lengths, "here: not a complete code with an escape");
  lengths = {1, 1};
  expect_refused(lengths, "here: not a complete code with an escape");
  lengths = {1, 11};
  expect_refused(lengths, "here: a code of 11 bits");
}

// Canonical, the highest bit of a code first.
TEST(HuffmanTest, CodesArePinned) {
  CodeLengths lengths{};
  lengths[5] = 1;        // 0
  lengths[2] = 2;        // 10
  lengths[9] = 3;        // 110
  lengths[kEscape] = 3;  // 111
  const HuffmanEncoder encoder(lengths);
  BitWriter writer;
  for (const unsigned symbol : {5u, 2u, 9u, 7u}) writer.Put(encoder[symbol].bits, encoder[symbol].length);
  std::string bytes;
  writer.AppendTo(&bytes);
  // 0 10 110 111, and 7 low bits first: 11100000.
  EXPECT_EQ(bytes, std::string("\xda\x0f\x00", 3).substr(0, bytes.size()));
  EXPECT_EQ(writer.num_bits(), 17u);
  EXPECT_EQ(encoder[2].length, 2u);
  EXPECT_EQ(encoder[7].length, 11u) << "an escape and 8 bits";
}

TEST(HuffmanTest, TableTellsSymbolAndWidth) {
  CodeLengths lengths{};
  lengths[0] = 1;
  lengths[32] = 2;
  lengths[kEscape] = 2;
  DecodeTable table{};
  FillDecodeTable(lengths, kCodeRanges.plain_bits, &table);
  EXPECT_EQ(table[0b0], 1u << 8);
  EXPECT_EQ(table[0b01], 32u | 3u << 8) << "32 and 33 share a symbol and are told apart by a plain bit";
  EXPECT_EQ(table[0b11], kEscape | 2u << 8);
  EXPECT_EQ(std::count(table.begin(), table.end(), 0u), 0) << "every input has an entry";
}

}  // namespace
}  // namespace decant
