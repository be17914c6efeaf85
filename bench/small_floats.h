#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace decant {

// float16 and bfloat16 as peers store them; rounding is to nearest even. Values are finite.

inline uint16_t ToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline float FromBf16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

// For 0 <= value < 65520.
inline uint16_t ToFp16(float value) {
  if (value < 0x1p-14f) return static_cast<uint16_t>(std::nearbyint(value * 0x1p24f));  // subnormal
  uint32_t bits = std::bit_cast<uint32_t>(value);
  bits += 0xfff + (bits >> 13 & 1);
  return static_cast<uint16_t>((bits - (112u << 23)) >> 13);
}
// For non-negative numbers.
inline float FromFp16(uint16_t bits) {
  const uint32_t exponent = bits >> 10;
  if (exponent == 0) return static_cast<float>(bits) * 0x1p-24f;
  return std::bit_cast<float>((uint32_t{bits} << 13) + (112u << 23));
}

// The logarithm of every non-negative float16 up to 1, by its bits: decoding a stored probability is one look-up.
class Fp16LogTable {
 public:
  Fp16LogTable() : logs_(kOne + 1) {
    for (uint32_t bits = 0; bits <= kOne; ++bits) logs_[bits] = std::log(FromFp16(static_cast<uint16_t>(bits)));
  }
  // Bits above those of 1 count as 1.
  float operator[](uint16_t bits) const { return logs_[bits < kOne ? bits : kOne]; }

 private:
  static constexpr uint16_t kOne = 0x3c00;
  std::vector<float> logs_;
};

}  // namespace decant
