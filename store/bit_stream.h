#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace decant {

// Unsigned integers of given widths, one after the other without gaps, low bits first, in bytes: bit b of the stream is
// bit b mod 8 of byte b / 8.

// Bits that `value` needs; 0 for 0.
inline unsigned BitWidth(uint64_t value) {
  return static_cast<unsigned>(std::bit_width(value));
}

inline uint64_t LowBits(uint64_t value, unsigned width) {
  return value & ((uint64_t{1} << width) - 1);
}

// Collects a stream in memory.
class BitWriter {
 public:
  // The end of a stream, to be kept in registers by a loop that writes: to the compiler, the bytes that it writes could
  // be a BitWriter's.
  struct Cursor {
    char* at;
    uint64_t pending;      // the bits after the last whole byte
    unsigned num_pending;  // < 8

    // `width` <= 56, and `value` has no bits above it.
    void Put(uint64_t value, unsigned width) {
      pending |= value << num_pending;
      num_pending += width;
      std::memcpy(at, &pending, 8);
      at += num_pending / 8;
      pending >>= num_pending & ~7u;
      num_pending &= 7;
    }
  };
  // Room for `num_bits` more, and where to put them; End() makes them part of the stream.
  Cursor Begin(uint64_t num_bits) {
    const size_t needed = size_ + num_bits / 8 + 16;
    if (needed > buffer_.size()) buffer_.resize(2 * needed + 4096);
    return {buffer_.data() + size_, pending_, num_pending_};
  }
  void End(const Cursor& cursor) {
    size_ = static_cast<size_t>(cursor.at - buffer_.data());
    pending_ = cursor.pending;
    num_pending_ = cursor.num_pending;
  }

  void Put(uint64_t value, unsigned width) {
    Cursor cursor = Begin(width);
    cursor.Put(value, width);
    End(cursor);
  }
  uint64_t num_bits() const { return 8 * size_ + num_pending_; }
  void Clear() { size_ = pending_ = num_pending_ = 0; }
  // Appends the stream to `bytes`, the last byte filled with zeros.
  void AppendTo(std::string* bytes) const {
    bytes->append(buffer_.data(), size_);
    if (num_pending_ > 0) bytes->push_back(static_cast<char>(pending_));
  }

 private:
  std::string buffer_;
  size_t size_ = 0;
  uint64_t pending_ = 0;
  unsigned num_pending_ = 0;
};

// Reads at any bit of bytes that are followed by 8 more readable ones. Never reads further, whatever the position: past
// the end it returns those bytes.
class BitReader {
 public:
  BitReader() = default;
  explicit BitReader(std::string_view bytes) : bytes_(bytes.data()), end_(8 * bytes.size()) {}

  // At least 57 bits, low bits first, from bit `position` on.
  uint64_t Peek(uint64_t position) const { return PeekInside(position < end_ ? position : end_); }
  // The same for a `position` <= num_bits().
  uint64_t PeekInside(uint64_t position) const {
    uint64_t window;
    std::memcpy(&window, bytes_ + (position >> 3), 8);
    return window >> (position & 7);
  }
  // The `width` <= 32 bits at `*position`, which moves on.
  uint32_t Get(uint64_t* position, unsigned width) const {
    const uint64_t value = LowBits(Peek(*position), width);
    *position += width;
    return static_cast<uint32_t>(value);
  }
  uint64_t num_bits() const { return end_; }
  const char* bytes() const { return bytes_; }

 private:
  const char* bytes_ = nullptr;
  uint64_t end_ = 0;
};

static_assert(std::endian::native == std::endian::little, "streams are read in words");

}  // namespace decant
