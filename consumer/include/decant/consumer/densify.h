#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "decant/consumer/tail_rule.h"
#include "decant/store/soft_label.h"

namespace decant {

// IEEE 754 binary32; bfloat16 and binary16, rounded to nearest, ties to even.
enum class DenseType : uint8_t { kFloat32, kBfloat16, kFloat16 };

struct DensifyOptions {
  uint32_t num_classes = 0;
  TailRule tail = TailRule::kUniform;
  DenseType type = DenseType::kFloat32;
  unsigned threads = 1;
};

// Columns of a dense row: num_classes, and with kGhost one more for the tail mass.
size_t DenseColumns(const DensifyOptions& options);

// Writes the labels' probabilities as rows [labels.size(), DenseColumns()] of the type into `out`, in one pass at the
// speed of memory. kInvalidArgument when `out` has not exactly their bytes or a label lists a class that is not below
// num_classes; `out` then means nothing. Thread-safe.
void Densify(const LabelBatch& labels, const DensifyOptions& options, std::span<std::byte> out);

}  // namespace decant
