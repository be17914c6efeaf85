#include "threshold_sampling.h"

#include <algorithm>

namespace decant {
namespace {

// How many of the ranked are above the threshold, and so listed for certain.
size_t CountCertain(std::span<const double> probs, std::span<const uint32_t> ranked) {
  double rest = 1;
  size_t head = 0;
  for (; head + 1 < ranked.size(); ++head) {
    const double prob = probs[ranked[head]];
    if (prob == 0 || prob * static_cast<double>(ranked.size() - head) < rest) break;
    rest -= prob;
  }
  return head;
}

}  // namespace

SampledClasses SampleByThreshold(std::span<const double> probs, std::span<const uint32_t> ranked, double offset) {
  const size_t head = CountCertain(probs, ranked);
  std::vector<bool> certain(probs.size());
  for (size_t rank = 0; rank < head; ++rank) certain[ranked[rank]] = true;
  double rest = 0;
  size_t num_others = 0;
  for (size_t id = 0; id < probs.size(); ++id) {
    if (certain[id] || probs[id] == 0) continue;
    rest += probs[id];
    ++num_others;
  }
  const size_t num_drawn = std::min(ranked.size() - head, num_others);
  const double threshold = num_drawn == 0 ? 0 : rest / static_cast<double>(num_drawn);

  SampledClasses sampled;
  const auto list = [&](size_t id, double prob) {
    sampled.ids.push_back(static_cast<uint32_t>(id));
    sampled.probs.push_back(prob);
  };
  double passed = 0;
  size_t num_passed = 0;  // draws lie at offset, offset + 1, ... thresholds
  for (size_t id = 0; id < probs.size(); ++id) {
    if (certain[id]) {
      list(id, probs[id]);
    } else if (probs[id] > 0) {
      passed += probs[id];
      const bool last = --num_others == 0;
      const bool hit = passed > (static_cast<double>(num_passed) + offset) * threshold;
      if (num_passed < num_drawn && (hit || last)) {
        ++num_passed;
        list(id, threshold);
      }
    }
  }
  return sampled;
}

}  // namespace decant
