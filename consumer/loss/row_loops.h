#pragma once

#include <cstddef>

namespace decant {

// The loops of the losses over a row of `size` floats. exp() is a float32 polynomial, right to
// 2^-22 + 2^-22.4 |x - largest| / temperature relatively; 0 below 2^-125.
float LargestOf(const float* row, size_t size);

struct ExpSums {
  double exps = 0;         // sum_j exp((row[j] - largest) / temperature)
  double differences = 0;  // sum_j (row[j] - largest)
};
ExpSums SumsOf(const float* row, size_t size, float largest, double temperature);

// out[j] = factor exp(min(0, row[j] - largest) / temperature) - offset
void ScaledExps(const float* row, size_t size, float largest, double temperature, float factor, float offset,
                float* out);
// The same, added to `out`.
void AddScaledExps(const float* row, size_t size, float largest, double temperature, float factor, float offset,
                   float* out);

}  // namespace decant
