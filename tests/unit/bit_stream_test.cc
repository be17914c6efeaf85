#include "store/bit_stream.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "store/bit_column.h"

namespace decant {
namespace {

constexpr char kAfter[] = "\xff\xff\xff\xff\xff\xff\xff\xff";

TEST(BitStreamTest, NumbersOfAnyWidthComeBack) {
  std::mt19937_64 random(1);
  std::vector<std::pair<uint64_t, unsigned>> numbers;
  BitWriter writer;
  uint64_t num_bits = 0;
  for (int i = 0; i < 5000; ++i) {
    const auto width = static_cast<unsigned>(random() % 57);
    numbers.emplace_back(LowBits(random(), width), width);
    writer.Put(numbers.back().first, width);
    num_bits += width;
    ASSERT_EQ(writer.num_bits(), num_bits);
  }
  std::string bytes;
  writer.AppendTo(&bytes);
  ASSERT_EQ(bytes.size(), (num_bits + 7) / 8);
  const size_t size = bytes.size();
  bytes += kAfter;
  const BitReader reader(std::string_view(bytes).substr(0, size));
  uint64_t position = 0;
  for (const auto& [value, width] : numbers) {
    ASSERT_EQ(LowBits(reader.Peek(position), width), value);
    position += width;
  }
  EXPECT_EQ(position, num_bits);
}

TEST(BitStreamTest, BytesArePinned) {
  BitWriter writer;
  writer.Put(0b101, 3);
  writer.Put(0xabc, 12);
  writer.Put(1, 1);
  writer.Put(0b11, 2);
  std::string bytes = "x";
  writer.AppendTo(&bytes);
  EXPECT_EQ(bytes, "x\xe5\xd5\x03");
  writer.Clear();
  EXPECT_EQ(writer.num_bits(), 0u);
  std::string nothing;
  writer.AppendTo(&nothing);
  EXPECT_EQ(nothing, "");
}

TEST(BitStreamTest, ReadingPastTheEndStaysThere) {
  const std::string bytes = std::string("\x01") + kAfter;
  const BitReader reader(std::string_view(bytes).substr(0, 1));
  for (const uint64_t position : {uint64_t{8}, uint64_t{9}, uint64_t{1} << 40, ~uint64_t{0}}) {
    EXPECT_EQ(reader.Peek(position), ~uint64_t{0});
  }
}

TEST(BitColumnTest, GivesValuesSumsAndPadding) {
  BitWriter writer;
  std::vector<uint32_t> values;
  for (uint32_t i = 0; i < 50; ++i) {
    values.push_back(i * 37 % 2048);
    writer.Put(values.back(), 11);
  }
  std::string bytes;
  writer.AppendTo(&bytes);
  const size_t size = bytes.size();
  ASSERT_EQ(size, PackedBytes(50, 11));
  bytes += kAfter;
  const BitColumn column(std::string_view(bytes).substr(0, size), 11, 50);
  uint64_t sum = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(column.Sum(i), sum);
    EXPECT_EQ(column[i], values[i]);
    sum += values[i];
  }
  EXPECT_TRUE(column.PaddingIsZero());
  bytes[size - 1] = static_cast<char>(bytes[size - 1] | 0x80);
  EXPECT_FALSE(BitColumn(std::string_view(bytes).substr(0, size), 11, 50).PaddingIsZero());
}

TEST(BitColumnTest, WithoutWidthIsAllZeros) {
  const BitColumn column(std::string_view(kAfter, 0), 0, 1000);
  EXPECT_EQ(column[999], 0u);
  EXPECT_EQ(column.Sum(1000), 0u);
  EXPECT_TRUE(column.PaddingIsZero());
}

}  // namespace
}  // namespace decant
