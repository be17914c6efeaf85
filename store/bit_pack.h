#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace decant {

// Unsigned integers of `width` <= 32 bits, packed without gaps, low bits first, into bytes.

// Bits that `value` needs; 0 for 0.
inline unsigned BitWidth(uint32_t value) {
  return static_cast<unsigned>(std::bit_width(value));
}

inline size_t PackedBytes(uint64_t count, unsigned width) {
  return (count * width + 7) / 8;
}

class BitPacker {
 public:
  explicit BitPacker(std::string* bytes) : bytes_(bytes) {}
  void Put(uint32_t value, unsigned width) {
    pending_ |= uint64_t{value} << num_pending_;
    num_pending_ += width;
    for (; num_pending_ >= 8; num_pending_ -= 8, pending_ >>= 8) bytes_->push_back(static_cast<char>(pending_));
  }
  // Fills the last byte with zeros.
  void Finish() {
    if (num_pending_ > 0) bytes_->push_back(static_cast<char>(pending_));
    pending_ = 0;
    num_pending_ = 0;
  }

 private:
  std::string* bytes_;
  uint64_t pending_ = 0;
  unsigned num_pending_ = 0;
};

// A packed column, readable at any index.
class BitColumn {
 public:
  BitColumn() = default;
  BitColumn(std::string_view bytes, unsigned width) : bytes_(bytes), width_(width) {}

  uint32_t operator[](uint64_t index) const {
    const uint64_t bit = index * width_;
    const uint64_t first = bit / 8;
    uint64_t window = 0;
    for (uint64_t i = 0; i < 5 && first + i < bytes_.size(); ++i) {
      window |= uint64_t{static_cast<unsigned char>(bytes_[first + i])} << (8 * i);
    }
    return static_cast<uint32_t>(window >> (bit % 8) & ((uint64_t{1} << width_) - 1));
  }
  // Whether the bits after the last value are zero.
  bool PaddingIsZero(uint64_t count) const {
    const unsigned used = static_cast<unsigned>(count * width_ % 8);
    return used == 0 || static_cast<unsigned char>(bytes_.back()) >> used == 0;
  }

 private:
  std::string_view bytes_;
  unsigned width_ = 0;
};

}  // namespace decant
