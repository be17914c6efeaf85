#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "decant/base/random.h"

namespace decant {

// xoshiro256++ (Blackman and Vigna, 2019), keyed by one Philox block: fast, and the numbers of (seed, index, stream)
// are the same whoever asks.
class FastRandom {
 public:
  FastRandom(uint64_t seed, uint64_t index, uint16_t stream = 0) {
    for (uint16_t half = 0; half < 2; ++half) {
      const auto block = PhiloxBlock(seed, RandomPurpose::kSyntheticTeacher, stream, index, half);
      state_[2 * half] = block[0] | uint64_t{block[1]} << 32;
      state_[2 * half + 1] = block[2] | uint64_t{block[3]} << 32;
    }
  }

  uint64_t Bits() {
    const uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // Uniform in [0, 1).
  double Uniform() { return static_cast<double>(Bits() >> 11) * 0x1p-53; }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  // Uniform in [0, count), count < 2^32. The bias is below 2^-32.
  uint32_t Below(uint32_t count) { return static_cast<uint32_t>((Bits() >> 32) * count >> 32); }

 private:
  std::array<uint64_t, 4> state_;
};

// Standard normal numbers as the 65,536 mid-quantiles of the distribution: two bytes of randomness and one look-up
// each. The largest is 4.3.
class NormalTable {
 public:
  NormalTable();

  float operator[](uint16_t quantile) const { return quantiles_[quantile]; }
  float Draw(FastRandom* random) const { return quantiles_[random->Bits() >> 48]; }
  // Adds scale * (a normal number of its own) to each of `values`.
  template <typename Values>
  void AddTo(Values values, float scale, FastRandom* random) const {
    size_t i = 0;
    for (; i + 4 <= values.size(); i += 4) {
      const uint64_t bits = random->Bits();
      for (size_t j = 0; j < 4; ++j) values[i + j] += scale * quantiles_[bits >> (16 * j) & 0xffff];
    }
    for (; i < values.size(); ++i) values[i] += scale * Draw(random);
  }

 private:
  std::vector<float> quantiles_;
};

}  // namespace decant
