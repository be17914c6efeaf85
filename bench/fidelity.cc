#include "fidelity.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace decant {

LabelError CompareLabels(const LabelBatch& teacher, size_t i, const LabelBatch& decoded, size_t j,
                         uint32_t num_classes) {
  const auto ids = teacher.LabelIds(i);
  const auto log_probs = teacher.LabelLogProbs(i);
  const auto found_ids = decoded.LabelIds(j);
  const auto found_log_probs = decoded.LabelLogProbs(j);
  std::vector<double> q(ids.size(), 0.0);
  for (size_t entry = 0; entry < found_ids.size(); ++entry) {
    const auto place = std::lower_bound(ids.begin(), ids.end(), found_ids[entry]);
    if (place != ids.end() && *place == found_ids[entry])
      q[place - ids.begin()] = std::exp(double{found_log_probs[entry]});
  }
  const double p_tail = teacher.tail_mass[i];
  double q_tail = std::max(double{decoded.tail_mass[j]}, p_tail > 0 ? kSmallestProbability : 0.0);
  double total = q_tail;
  for (double& prob : q) total += prob = std::max(prob, kSmallestProbability);
  q_tail /= total;

  LabelError error;
  double square = 0, difference = 0;
  for (size_t entry = 0; entry < ids.size(); ++entry) {
    const double p = std::exp(double{log_probs[entry]});
    const double prob = q[entry] / total;
    if (p > 0) error.kl += p * (log_probs[entry] - std::log(prob));
    square += p * p;
    difference += (p - prob) * (p - prob);
  }
  if (p_tail > 0) error.kl += p_tail * (std::log(p_tail) - std::log(q_tail));
  const double num_unlisted = std::max<double>(1, num_classes - static_cast<double>(ids.size()));
  square += p_tail * p_tail / num_unlisted;
  difference += (p_tail - q_tail) * (p_tail - q_tail) / num_unlisted;
  error.kl = std::max(error.kl, 0.0);
  error.gradient = std::sqrt(difference / square);
  return error;
}

}  // namespace decant
