#pragma once

#include <cstdint>
#include <string_view>

#include "bit_stream.h"

namespace decant {

inline size_t PackedBytes(uint64_t count, unsigned width) {
  return (count * width + 7) / 8;
}

// Numbers of equal width in a stream of their own, readable at any index. Followed by 8 more readable bytes.
class BitColumn {
 public:
  BitColumn() = default;
  BitColumn(std::string_view bytes, unsigned width, uint64_t count) : bytes_(bytes), width_(width), count_(count) {}

  uint32_t operator[](uint64_t index) const {
    return static_cast<uint32_t>(LowBits(BitReader(bytes_).Peek(index * width_), width_));
  }
  // Of the values before `end`.
  uint64_t Sum(uint64_t end) const {
    const BitReader reader(bytes_);
    uint64_t sum = 0;
    for (uint64_t bit = 0; bit < end * width_; bit += width_) sum += LowBits(reader.Peek(bit), width_);
    return sum;
  }
  // Whether the bits after the last value are zero.
  bool PaddingIsZero() const {
    const unsigned used = static_cast<unsigned>(count_ * width_ % 8);
    return used == 0 || static_cast<unsigned char>(bytes_.back()) >> used == 0;
  }

 private:
  std::string_view bytes_;
  unsigned width_ = 0;
  uint64_t count_ = 0;
};

}  // namespace decant
