#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "resize.h"

namespace decant {

// What each output place of one axis takes from the input: output o is the sum of weights[o * stride + j] *
// input[begin[o] + j] for j < count[o], all of them in [first(), last()).
struct Taps {
  // Bits after the point of a weight: of the 32, 8 are the pixel's and 2 are for sums outside [0, 255].
  static constexpr int kPrecisionBits = 32 - 8 - 2;

  uint32_t stride = 0;
  std::vector<uint32_t> begin, count;
  std::vector<int32_t> weights;  // times 2^22
  std::vector<double> exact;     // scratch

  uint32_t first() const { return begin.front(); }
  uint32_t last() const { return begin.back() + count.back(); }
};

// The taps that scale [low, high) of in_size pixels to out_size.
void ComputeTaps(uint32_t in_size, float low, float high, uint32_t out_size, ResizeFilter filter, Taps* taps);

// Bytes that a pass works on together.
constexpr uint32_t kLanes = 16;

// Sums up whole groups of kLanes bytes: bytes [0, num_groups * kLanes) of output o, at out + o * out_step, are the sums
// of those of the inputs, at in + (input - taps.first()) * in_step, rounded and clipped. Outputs are written in order.
using ResizePass = void (*)(const Taps& taps, const uint8_t* in, size_t in_step, size_t num_groups, uint8_t* out,
                            size_t out_step);

void PlainPass(const Taps& taps, const uint8_t* in, size_t in_step, size_t num_groups, uint8_t* out, size_t out_step);
// What this processor is fastest with; the same bytes as PlainPass.
ResizePass FastestPass();

}  // namespace decant
