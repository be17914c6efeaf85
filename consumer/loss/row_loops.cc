#include "row_loops.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numbers>

#include "decant/base/clones.h"

namespace decant {
namespace {

// Terms that are added up in float32 before the sum goes on in double precision.
constexpr size_t kBlock = 1024;

float Powers(double temperature) {
  return static_cast<float>(std::numbers::log2e / temperature);
}

// 2^power, power <= 0: 2^n 2^f, |f| <= 1/2. Adding 1.5 * 2^23 rounds to whole numbers. NaN stays NaN.
[[gnu::always_inline]] inline float Exp2(float power) {
  constexpr float kRounder = 12582912;
  constexpr float kLowest = -125;
  const float bounded = power < kLowest ? kLowest : power;
  const float shifted = bounded + kRounder;
  const float fraction = bounded - (shifted - kRounder);
  float sum = fraction * 0.00015353258640971035f + 0.0013399003073573112f;
  sum = sum * fraction + 0.00961843878030777f;
  sum = sum * fraction + 0.05550331994891167f;
  sum = sum * fraction + 0.24022647738456726f;
  sum = sum * fraction + 0.6931471824645996f;
  sum = sum * fraction + 1.0f;
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (127u << 23);
  float whole;
  std::memcpy(&whole, &bits, sizeof whole);
  return power < kLowest ? 0.0f : sum * whole;
}

[[gnu::always_inline]] inline float ExpBelow(float x, float largest, float powers) {
  const float difference = x - largest;
  return Exp2((difference > 0 ? 0.0f : difference) * powers);
}

}  // namespace

DECANT_CLONES("avx512f", "avx2")
float LargestOf(const float* row, size_t size) {
  float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
  for (size_t i = 0; i < size; ++i) largest = row[i] > largest ? row[i] : largest;
  return largest;
}

DECANT_CLONES("avx512f", "avx2")
ExpSums SumsOf(const float* row, size_t size, float largest, double temperature) {
  const float powers = Powers(temperature);
  ExpSums sums;
  for (size_t begin = 0; begin < size; begin += kBlock) {
    const size_t end = std::min(size, begin + kBlock);
    float exps = 0;
    float differences = 0;
#pragma omp simd reduction(+ : exps, differences)
    for (size_t i = begin; i < end; ++i) {
      exps += ExpBelow(row[i], largest, powers);
      differences += row[i] - largest;
    }
    sums.exps += double{exps};
    sums.differences += double{differences};
  }
  return sums;
}

DECANT_CLONES("avx512f", "avx2")
void ScaledExps(const float* row, size_t size, float largest, double temperature, float factor, float offset,
                float* out) {
  const float powers = Powers(temperature);
#pragma omp simd
  for (size_t i = 0; i < size; ++i) out[i] = factor * ExpBelow(row[i], largest, powers) - offset;
}

DECANT_CLONES("avx512f", "avx2")
void AddScaledExps(const float* row, size_t size, float largest, double temperature, float factor, float offset,
                   float* out) {
  const float powers = Powers(temperature);
#pragma omp simd
  for (size_t i = 0; i < size; ++i) out[i] += factor * ExpBelow(row[i], largest, powers) - offset;
}

}  // namespace decant
