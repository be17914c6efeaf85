#include "decant/producer/select.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "decant/base/error.h"

namespace decant {

TopKSelector::TopKSelector(uint32_t num_classes, uint32_t k, double temperature)
    : num_classes_(num_classes),
      k_(k),
      temperature_(temperature),
      candidates_(num_classes),
      exponentials_(num_classes),
      log_probs_(k) {
  if (k < 1 || k > num_classes) {
    Fail(ErrorCode::kInvalidArgument, "labels.k is {}, but must be 1 to the number of classes, {}", k, num_classes);
  }
  if (!(temperature > 0) || !std::isfinite(temperature)) {
    Fail(ErrorCode::kInvalidArgument, "labels.temperature is {}, but must be above 0", temperature);
  }
}

void TopKSelector::Append(std::span<const float> logits, LabelBatch* labels) {
  if (logits.size() != num_classes_) {
    Fail(ErrorCode::kInvalidArgument, "expected {} logits, found {}", num_classes_, logits.size());
  }
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!std::isfinite(logits[id])) Fail(ErrorCode::kInvalidArgument, "the logit of class {} is {}", id, logits[id]);
  }
  std::iota(candidates_.begin(), candidates_.end(), 0);
  const auto ranks_before = [&](uint32_t a, uint32_t b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  };
  const auto last = candidates_.begin() + k_;
  if (k_ < num_classes_) std::nth_element(candidates_.begin(), last - 1, candidates_.end(), ranks_before);
  std::sort(candidates_.begin(), last);

  // log softmax(z / T): subtracting the largest z first keeps every exponential in (0, 1].
  const double largest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (size_t id = 0; id < logits.size(); ++id) {
    exponentials_[id] = std::exp((logits[id] - largest) / temperature_);
    total += exponentials_[id];
  }
  const double log_total = std::log(total);
  for (uint32_t entry = 0; entry < k_; ++entry) {
    const uint32_t id = candidates_[entry];
    log_probs_[entry] = static_cast<float>((logits[id] - largest) / temperature_ - log_total);
    exponentials_[id] = 0;
  }
  const double tail = std::accumulate(exponentials_.begin(), exponentials_.end(), 0.0);
  labels->Append(std::span(candidates_).first(k_), log_probs_, static_cast<float>(tail / total));
}

}  // namespace decant
