#include "decant/base/random.h"

#include <cmath>

#include <Random123/philox.h>

namespace decant {

std::array<uint32_t, 4> PhiloxBlock(uint64_t seed, RandomPurpose purpose, uint32_t epoch, uint64_t index,
                                    uint16_t block) {
  const r123::Philox4x32::key_type key = {{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
  const r123::Philox4x32::ctr_type counter = {{static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), epoch,
                                               static_cast<uint32_t>(purpose) << 16 | block}};
  const auto output = r123::Philox4x32()(counter, key);
  return {output[0], output[1], output[2], output[3]};
}

uint32_t RandomStream::NextBits() {
  const uint32_t word = num_draws_ % 4;
  if (word == 0) block_ = PhiloxBlock(seed_, purpose_, epoch_, index_, static_cast<uint16_t>(num_draws_ / 4));
  ++num_draws_;
  return block_[word];
}

double RandomStream::NextUniform() {
  return static_cast<double>(NextBits() >> 8) * 0x1p-24;
}

double UniformAt(uint64_t seed, RandomPurpose purpose, uint32_t epoch, uint64_t index, uint32_t num_draws) {
  const auto block = PhiloxBlock(seed, purpose, epoch, index, static_cast<uint16_t>(num_draws / 4));
  return static_cast<double>(block[num_draws % 4] >> 8) * 0x1p-24;
}

double RandomStream::NextBeta(double alpha) {
  // Joehnk: with U, V uniform, X = U^(1/a), Y = V^(1/a), X / (X + Y) given X + Y <= 1 is Beta(a, a). For a <= 1 at
  // least every second attempt succeeds, so the mean stands in once in 2^64 times.
  for (int attempt = 0; attempt < 64; ++attempt) {
    const double x = std::pow(NextUniform() + 0x1p-25, 1.0 / alpha);
    const double y = std::pow(NextUniform() + 0x1p-25, 1.0 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
  return 0.5;
}

}  // namespace decant
