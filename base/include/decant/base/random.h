#pragma once

#include <array>
#include <cstdint>

namespace decant {

// What a stream of random numbers is for. The value is part of the generator's counter: never re-use a number.
enum class RandomPurpose : uint32_t {
  kOrder = 1,      // keys of an epoch's order
  kView = 2,       // parameters of a view
  kSelection = 3,  // which classes a sampled label lists
  kCrop = 4,       // from here to kErase: one operation of a view each
  kFlip = 5,
  kRandAugment = 6,
  kJitter = 7,
  kGrey = 8,
  kBlur = 9,
  kErase = 10,
  kCutmix = 11,        // the box and the share of a view that is mixed by cutmix
  kExternalView = 12,  // the key of a user's own view
  kTokenView = 16,     // which tokens of a view are replaced, and by what; a block for each position
  kTeacherProbe = 32,  // the inputs that tell whether two teachers compute alike; the index is the member of the batch
  kSyntheticTeacher = 64,  // keys of the benchmark's generators; nothing on disk depends on it
};

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11) as a pure function:
// key = seed (low word, high word), counter = (low word of index, high word of index, epoch, purpose * 2^16 + block).
// Known answers: docs/randomness.md.
std::array<uint32_t, 4> PhiloxBlock(uint64_t seed, RandomPurpose purpose, uint32_t epoch, uint64_t index,
                                    uint16_t block);

// What NextUniform() of a stream gives after `num_draws` < 2^18 others, without drawing them.
double UniformAt(uint64_t seed, RandomPurpose purpose, uint32_t epoch, uint64_t index, uint32_t num_draws);

// The stream of numbers that belongs to (seed, purpose, epoch, index). Copyable; two streams with equal arguments give
// equal numbers, whoever asks, wherever. At most 2^18 draws.
class RandomStream {
 public:
  RandomStream(uint64_t seed, RandomPurpose purpose, uint32_t epoch, uint64_t index)
      : seed_(seed), index_(index), purpose_(purpose), epoch_(epoch) {}

  // The next 32 random bits.
  uint32_t NextBits();
  // Uniform in [0, 1): the next 24 high bits times 2^-24, exact in float and double.
  double NextUniform();
  // Uniform in [low, high).
  double NextUniform(double low, double high) { return low + (high - low) * NextUniform(); }
  // Beta(alpha, alpha) for 0 < alpha <= 1, by Joehnk's method (1964).
  double NextBeta(double alpha);

 private:
  uint64_t seed_;
  uint64_t index_;
  RandomPurpose purpose_;
  uint32_t epoch_;
  uint32_t num_draws_ = 0;
  std::array<uint32_t, 4> block_{};
};

}  // namespace decant
