#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decant/store/soft_label.h"

#include "small_floats.h"

namespace decant {

// TinyViT's record: int32 seed, k class ids (int16, little-endian), k probabilities (float16), the largest first.
// Where class ids do not fit 15 bits they are int32: TinyViT itself cannot store those. Not thread-safe (re-uses
// memory).
class TinyVitRecord {
 public:
  TinyVitRecord(uint32_t num_classes, uint32_t k);

  size_t bytes() const { return 4 + k_ * (id_bytes_ + 2); }
  size_t id_bytes() const { return id_bytes_; }
  // Appends the record of label `index`.
  void Append(const LabelBatch& labels, size_t index, int32_t seed, std::string* records);
  // Appends the label of a record, in the record's order; the tail mass is 1 - (sum of the probabilities).
  void Decode(const char* record, LabelBatch* labels) const;

 private:
  uint32_t k_;
  size_t id_bytes_;
  Fp16LogTable logs_;
  std::vector<float> probs_;  // [65536] by the bits of a float16
  std::vector<uint32_t> order_;
};

}  // namespace decant
