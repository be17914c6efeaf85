#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace decant {

// The constants of exp((x - largest) / temperature). Temperatures from 1e-12 to 1e6.
struct ExpScale {
  ExpScale(float a_largest, double temperature);

  float largest;
  float powers;  // log2(e) / temperature
};

// The loops over rows of logits, compiled for one set of instructions. All sets give the same bits: sums run in 16
// lanes whatever the width of a register, and nothing is contracted.
//
// exp() is a float32 polynomial, right to 2^-22 + 2^-22.4 |x - largest| / temperature relatively; 0 below 2^-125.
struct RowKernels {
  static constexpr size_t kLanes = 16;

  const char* instructions;
  // Cuts `row` into blocks and writes the largest logit of each, [NumBlocks(size, stride)]: of the run of `stride * 16`
  // logits, one for each remainder modulo 16. -FLT_MAX for empty blocks. False when a logit is not finite.
  bool (*block_maxima)(const float* row, size_t size, size_t stride, float* maxima);
  // The least and the largest of the values, at least one.
  void (*range)(const float* values, size_t size, float* least, float* most);
  // The number of values >= `bound`.
  size_t (*count_from)(const float* values, size_t size, float bound);
  // Writes ids, ascending, and values of the logits >= `bound`; returns their number.
  size_t (*collect_from)(const float* row, size_t size, float bound, uint32_t* ids, float* values);
  // The sum of exp() over the logits < `bound`: four terms each in float32, then double. Also asks for the memory after
  // the row, where the next row lies as a rule.
  double (*sum_below)(const float* row, size_t size, float bound, const ExpScale& scale);
  // exp() of each value.
  void (*exps)(const float* values, size_t size, const ExpScale& scale, float* exps);

  static size_t NumBlocks(size_t size, size_t stride) {
    return (size + kLanes * stride - 1) / (kLanes * stride) * kLanes;
  }
};

// Those that this processor can run, the fastest last.
const std::vector<RowKernels>& RunnableKernels();
inline const RowKernels& FastestKernels() {
  return RunnableKernels().back();
}

}  // namespace decant
