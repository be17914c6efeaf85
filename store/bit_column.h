#pragma once

#include <algorithm>
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
    if (width_ == 0) return 0;
    const BitReader reader(bytes_);
    // Four at a time: the second and the fourth onto the first and the third, in fields of twice the width, which hold
    // the sums of 2^(width - 1) such pairs.
    uint64_t sum = 0, index = 0;
    while (width_ <= 14 && end - index >= 4) {
      const uint64_t low = LowBits(~uint64_t{0}, width_);
      const uint64_t both = low | low << 2 * width_;
      const uint64_t count = std::min((end - index) / 4, uint64_t{1} << (width_ - 1));
      uint64_t pairs = 0;
      for (const uint64_t last = index + 4 * count; index < last; index += 4) {
        const uint64_t window = reader.Peek(index * width_);
        pairs += (window & both) + (window >> width_ & both);
      }
      sum += LowBits(pairs, 2 * width_) + LowBits(pairs >> 2 * width_, 2 * width_);
    }
    for (; index < end; ++index) sum += (*this)[index];
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
