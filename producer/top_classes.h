#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "row_kernels.h"

namespace decant {

// Finds the k largest logits of rows, of equal ones those of the smaller ids. A row is cut into blocks, about 4k of
// them: the k-th largest of their maxima is at most the k-th largest logit, and few logits reach it. Not thread-safe
// (re-uses memory).
class TopClasses {
 public:
  // 1 <= k <= num_classes.
  TopClasses(size_t num_classes, size_t k, const RowKernels& kernels = FastestKernels());

  // False when a logit, of [num_classes], is not finite.
  bool Find(std::span<const float> logits);

  float largest() const { return largest_; }
  // All logits from here on are either among the listed or among the others.
  float bound() const { return bound_; }
  // The k classes, ids ascending, and their logits.
  std::vector<uint32_t>& ids() { return ids_; }
  std::vector<float>& logits() { return logits_; }
  // Logits from bound() on of classes that are not listed.
  std::vector<float>& other_logits() { return other_logits_; }

 private:
  // A bound that at least `count` of the values reach, and at most `slack` more unless they are equal to it. All values
  // lie between `least` and largest().
  float BoundOf(std::span<const float> values, float least, size_t count, size_t slack) const;
  void ListCandidates(size_t num_candidates);

  const RowKernels& kernels_;
  size_t k_;
  size_t stride_;
  float largest_ = 0;
  float bound_ = 0;
  std::vector<float> maxima_;
  std::vector<uint32_t> candidate_ids_;  // [num_classes]
  std::vector<float> candidates_;        // [num_classes]
  std::vector<uint32_t> ids_;
  std::vector<float> logits_, other_logits_;
};

}  // namespace decant
