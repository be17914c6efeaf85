#include "top_classes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace decant {
namespace {

constexpr size_t kBlocksPerEntry = 4;

// Whole numbers in the order of the floats that they stand for.
uint32_t KeyOf(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits >> 31 ? ~bits : bits | uint32_t{1} << 31;
}

float OfKey(uint32_t key) {
  return std::bit_cast<float>(key >> 31 ? key & ~(uint32_t{1} << 31) : ~key);
}

}  // namespace

TopClasses::TopClasses(size_t num_classes, size_t k, const RowKernels& kernels)
    : kernels_(kernels),
      k_(k),
      stride_(std::max<size_t>(1, num_classes / (kBlocksPerEntry * k))),
      maxima_(RowKernels::NumBlocks(num_classes, stride_)),
      candidate_ids_(num_classes),
      candidates_(num_classes) {}

bool TopClasses::Find(std::span<const float> logits) {
  if (!kernels_.block_maxima(logits.data(), logits.size(), stride_, maxima_.data())) return false;
  float least = 0;
  kernels_.range(maxima_.data(), maxima_.size(), &least, &largest_);
  bound_ = k_ == logits.size() ? std::numeric_limits<float>::lowest() : BoundOf(maxima_, least, k_, k_ / 8);
  ListCandidates(
      kernels_.collect_from(logits.data(), logits.size(), bound_, candidate_ids_.data(), candidates_.data()));
  return true;
}

// Halves, in turn, the numbers between two bounds and their distance.
float TopClasses::BoundOf(std::span<const float> values, float least, size_t count, size_t slack) const {
  uint32_t reached = KeyOf(least);        // by at least `count` values
  uint32_t beyond = KeyOf(largest_) + 1;  // not reached by so many
  for (bool by_distance = true; beyond - reached > 1; by_distance = !by_distance) {
    uint32_t key = reached + (beyond - reached) / 2;
    if (by_distance) key = std::clamp(KeyOf(OfKey(reached) / 2 + OfKey(beyond - 1) / 2), reached + 1, beyond - 1);
    const size_t found = kernels_.count_from(values.data(), values.size(), OfKey(key));
    if (found < count) {
      beyond = key;
      continue;
    }
    reached = key;
    if (found <= count + slack) break;
  }
  return OfKey(reached);
}

void TopClasses::ListCandidates(size_t num_candidates) {
  const std::span<const float> candidates(candidates_.data(), num_candidates);
  const float cut = BoundOf(candidates, bound_, k_, 0);
  size_t equal = 0;
  for (const float candidate : candidates) equal += candidate == cut;
  size_t spare = k_ + equal - kernels_.count_from(candidates.data(), candidates.size(), cut);  // of the equal ones
  ids_.clear();
  logits_.clear();
  other_logits_.clear();
  for (size_t i = 0; i < num_candidates; ++i) {
    const bool listed = candidates[i] > cut || (candidates[i] == cut && spare > 0);
    spare -= listed && candidates[i] == cut;
    if (listed) {
      ids_.push_back(candidate_ids_[i]);
      logits_.push_back(candidates[i]);
    } else {
      other_logits_.push_back(candidates[i]);
    }
  }
}

}  // namespace decant
