#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "decant/base/error.h"

namespace decant {

// Appends little-endian fields, one by one, to a string.
class ByteWriter {
 public:
  template <typename Int>
  void Put(Int value) {
    static_assert(std::is_integral_v<Int>);
    const auto bits = static_cast<std::make_unsigned_t<Int>>(value);
    for (size_t i = 0; i < sizeof(Int); ++i) bytes_.push_back(static_cast<char>(bits >> (8 * i)));
  }
  void PutDouble(double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    Put(bits);
  }
  // A length (u32) and the bytes.
  void PutString(std::string_view text) {
    Put(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
  }
  void PutBytes(std::string_view bytes) { bytes_.append(bytes); }

  std::string Take() { return std::move(bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Reads what ByteWriter wrote. Reading past the end throws kDataLoss with `what` in the message.
class ByteReader {
 public:
  // `bytes` must outlive the reader.
  ByteReader(std::string_view bytes, std::string_view what) : bytes_(bytes), what_(what) {}

  template <typename Int>
  Int Get() {
    static_assert(std::is_integral_v<Int>);
    const std::string_view field = GetBytes(sizeof(Int));
    std::make_unsigned_t<Int> bits = 0;
    for (size_t i = 0; i < sizeof(Int); ++i) {
      bits |= static_cast<std::make_unsigned_t<Int>>(static_cast<unsigned char>(field[i])) << (8 * i);
    }
    return static_cast<Int>(bits);
  }
  double GetDouble() {
    const uint64_t bits = Get<uint64_t>();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  std::string_view GetString() { return GetBytes(Get<uint32_t>()); }
  std::string_view GetBytes(size_t size) {
    if (size > bytes_.size() - offset_) {
      Fail(ErrorCode::kDataLoss, "{}: truncated: {} bytes wanted at offset {}, {} there", what_, size, offset_,
           bytes_.size() - offset_);
    }
    offset_ += size;
    return bytes_.substr(offset_ - size, size);
  }
  size_t remaining() const { return bytes_.size() - offset_; }

 private:
  std::string_view bytes_;
  std::string_view what_;
  size_t offset_ = 0;
};

// Big-endian integers, for keys: byte order is number order.
template <typename Int>
void AppendBigEndian(std::string* key, Int value) {
  for (size_t i = sizeof(Int); i-- > 0;) key->push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace decant
