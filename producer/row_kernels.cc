#include "row_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#if defined(__x86_64__)
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"  // false alarms of GCC 12's own <immintrin.h>
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace decant {
namespace {

#if defined(__x86_64__)
namespace avx512 {
#define DECANT_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
constexpr size_t kWidth = 16;
DECANT_TARGET inline uint32_t FromMask(const float* from, float bound) {
  return _mm512_cmp_ps_mask(_mm512_loadu_ps(from), _mm512_set1_ps(bound), _CMP_GE_OQ);
}
#include "row_loops.inc"
#undef DECANT_TARGET
}  // namespace avx512

namespace avx2 {
#define DECANT_TARGET __attribute__((target("avx2")))
constexpr size_t kWidth = 8;
DECANT_TARGET inline uint32_t FromMask(const float* from, float bound) {
  uint32_t mask = 0;
  for (int part = 0; part < 16; part += 8) {
    const __m256 from_bound = _mm256_cmp_ps(_mm256_loadu_ps(from + part), _mm256_set1_ps(bound), _CMP_GE_OQ);
    mask |= static_cast<uint32_t>(_mm256_movemask_ps(from_bound)) << part;
  }
  return mask;
}
#include "row_loops.inc"
#undef DECANT_TARGET
}  // namespace avx2
#endif

namespace plain {
#define DECANT_TARGET
constexpr size_t kWidth = 4;
inline uint32_t FromMask(const float* from, float bound) {
  uint32_t mask = 0;
#if defined(__x86_64__)
  for (int part = 0; part < 16; part += 4) {
    mask |= static_cast<uint32_t>(_mm_movemask_ps(_mm_cmpge_ps(_mm_loadu_ps(from + part), _mm_set1_ps(bound)))) << part;
  }
#else
  for (int i = 0; i < 16; ++i) mask |= uint32_t{from[i] >= bound} << i;
#endif
  return mask;
}
#include "row_loops.inc"
#undef DECANT_TARGET
}  // namespace plain

std::vector<RowKernels> FindRunnable() {
  std::vector<RowKernels> runnable = {plain::Kernels("plain")};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) runnable.push_back(avx2::Kernels("avx2"));
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    runnable.push_back(avx512::Kernels("avx512"));
  }
#endif
  return runnable;
}

}  // namespace

ExpScale::ExpScale(float a_largest, double temperature)
    : largest(a_largest), powers(static_cast<float>(std::numbers::log2e / temperature)) {}

const std::vector<RowKernels>& RunnableKernels() {
  static const std::vector<RowKernels> kRunnable = FindRunnable();
  return kRunnable;
}

}  // namespace decant
