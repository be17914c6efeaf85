#include "decant/store/soft_label.h"

#include <algorithm>
#include <cmath>

namespace decant {

void LabelBatch::Clear() {
  offsets.assign(1, 0);
  ids.clear();
  log_probs.clear();
  tail_mass.clear();
}

void LabelBatch::Append(std::span<const uint32_t> label_ids, std::span<const float> label_log_probs, float tail) {
  ids.insert(ids.end(), label_ids.begin(), label_ids.end());
  log_probs.insert(log_probs.end(), label_log_probs.begin(), label_log_probs.end());
  offsets.push_back(static_cast<uint32_t>(ids.size()));
  tail_mass.push_back(tail);
}

void LabelBatch::AppendRange(const LabelBatch& other, size_t begin, size_t end) {
  const auto first = other.offsets[begin];
  const auto last = other.offsets[end];
  const auto shift = static_cast<uint32_t>(ids.size()) - first;
  ids.insert(ids.end(), other.ids.begin() + first, other.ids.begin() + last);
  log_probs.insert(log_probs.end(), other.log_probs.begin() + first, other.log_probs.begin() + last);
  tail_mass.insert(tail_mass.end(), other.tail_mass.begin() + static_cast<std::ptrdiff_t>(begin),
                   other.tail_mass.begin() + static_cast<std::ptrdiff_t>(end));
  for (size_t i = begin; i < end; ++i) offsets.push_back(other.offsets[i + 1] + shift);
}

double KlDivergence(const LabelBatch& p, size_t i, const LabelBatch& q, size_t j) {
  const auto p_log_probs = p.LabelLogProbs(i);
  const auto q_log_probs = q.LabelLogProbs(j);
  double kl = 0;
  for (size_t entry = 0; entry < p_log_probs.size(); ++entry) {
    const double log_p = p_log_probs[entry];
    const double prob = std::exp(log_p);
    if (prob > 0) kl += prob * (log_p - q_log_probs[entry]);
  }
  const double p_tail = p.tail_mass[i];
  const double q_tail = q.tail_mass[j];
  if (p_tail > 0) kl += p_tail * (std::log(p_tail) - std::log(q_tail));
  return std::max(kl, 0.0);
}

}  // namespace decant
