#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <torch/torch.h>

#include "decant/producer/select.h"

namespace decant {

// What labels need of rows of logits, in memory of the host.
struct RankedRows {
  size_t num_rows = 0;
  size_t k = 0;
  size_t num_temperatures = 0;
  std::vector<uint32_t> ids;        // [num_rows, k], the likeliest first, of equal ones the smaller id
  std::vector<float> logits;        // [num_rows, k]
  std::vector<double> log_sum_exp;  // [num_rows, T]
  std::vector<double> tail_mass;    // [num_rows, T]
  std::vector<float> true_logits;   // [num_rows]
  std::vector<uint8_t> all_finite;  // [num_rows]; the rest of a row means nothing where it is 0

  RankedRow Row(size_t row) const;
};

// Ranks rows where they lie, so that k entries of each leave the device, not all classes. `logits` is float32
// [rows, classes], `true_classes` one for each row or empty. Sums are double.
RankedRows RankOnDevice(const torch::Tensor& logits, uint32_t k, std::span<const double> temperatures,
                        std::span<const uint32_t> true_classes);

}  // namespace decant
