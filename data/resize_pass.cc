#include "resize_pass.h"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace decant {
namespace {

double BilinearWeight(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}

// Catmull-Rom: bicubic convolution with a = -0.5.
double BicubicWeight(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void Avx2Pass(const Taps& taps, const uint8_t* in, size_t in_step, size_t num_groups,
                                              uint8_t* out, size_t out_step) {
  const __m256i half = _mm256_set1_epi32(1 << (Taps::kPrecisionBits - 1));
  for (size_t o = 0; o < taps.begin.size(); ++o) {
    const int32_t* weights = &taps.weights[o * taps.stride];
    for (size_t group = 0; group < num_groups; ++group) {
      const uint8_t* from = in + (taps.begin[o] - taps.first()) * in_step + group * kLanes;
      __m256i low = half, high = half;
      for (uint32_t j = 0; j < taps.count[o]; ++j, from += in_step) {
        const __m256i weight = _mm256_set1_epi32(weights[j]);
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        const __m256i low_values = _mm256_cvtepu8_epi32(bytes);
        const __m256i high_values = _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes));
        low = _mm256_add_epi32(low, _mm256_mullo_epi32(low_values, weight));
        high = _mm256_add_epi32(high, _mm256_mullo_epi32(high_values, weight));
      }
      low = _mm256_srai_epi32(low, Taps::kPrecisionBits);
      high = _mm256_srai_epi32(high, Taps::kPrecisionBits);
      // Both packs saturate; they work on each half of 128 bits, so the quarters are put in order in between.
      const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0b11011000);
      const __m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + o * out_step + group * kLanes), packed);
    }
  }
}
#endif

}  // namespace

void ComputeTaps(uint32_t in_size, float low, float high, uint32_t out_size, ResizeFilter filter, Taps* taps) {
  const double scale = static_cast<double>(high - low) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = (filter == ResizeFilter::kBilinear ? 1.0 : 2.0) * filter_scale;
  const double inverse = 1.0 / filter_scale;
  const uint32_t stride = static_cast<uint32_t>(std::ceil(support)) * 2 + 1;
  taps->stride = stride;
  taps->begin.resize(out_size);
  taps->count.resize(out_size);
  taps->weights.resize(size_t{out_size} * stride);
  taps->exact.resize(stride);
  double* const exact = taps->exact.data();
  for (uint32_t i = 0; i < out_size; ++i) {
    const double centre = low + (i + 0.5) * scale;
    const auto from = static_cast<int64_t>(std::max(centre - support + 0.5, 0.0));
    const auto to = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), in_size);
    const auto num = static_cast<uint32_t>(to - from);
    double sum = 0;
    for (uint32_t j = 0; j < num; ++j) {
      const double x = (static_cast<double>(j + from) - centre + 0.5) * inverse;
      exact[j] = filter == ResizeFilter::kBilinear ? BilinearWeight(x) : BicubicWeight(x);
      sum += exact[j];
    }
    for (uint32_t j = 0; j < num; ++j) {
      const double weight = (sum != 0 ? exact[j] / sum : exact[j]) * (1 << Taps::kPrecisionBits);
      taps->weights[size_t{i} * stride + j] = static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    taps->begin[i] = static_cast<uint32_t>(from);
    taps->count[i] = num;
  }
}

void PlainPass(const Taps& taps, const uint8_t* in, size_t in_step, size_t num_groups, uint8_t* out, size_t out_step) {
  for (size_t o = 0; o < taps.begin.size(); ++o) {
    const int32_t* weights = &taps.weights[o * taps.stride];
    for (size_t group = 0; group < num_groups; ++group) {
      const uint8_t* from = in + (taps.begin[o] - taps.first()) * in_step + group * kLanes;
      int32_t sums[kLanes];
      std::fill_n(sums, kLanes, 1 << (Taps::kPrecisionBits - 1));
      for (uint32_t j = 0; j < taps.count[o]; ++j, from += in_step) {
        for (uint32_t i = 0; i < kLanes; ++i) sums[i] += weights[j] * from[i];
      }
      uint8_t* to = out + o * out_step + group * kLanes;
      for (uint32_t i = 0; i < kLanes; ++i) {
        to[i] = static_cast<uint8_t>(std::clamp(sums[i] >> Taps::kPrecisionBits, 0, 255));
      }
    }
  }
}

ResizePass FastestPass() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return Avx2Pass;
#endif
  return PlainPass;
}

}  // namespace decant
