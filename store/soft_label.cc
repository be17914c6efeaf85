#include "decant/store/soft_label.h"

#include <algorithm>
#include <cmath>

namespace decant {
namespace {

template <typename T>
void AppendRows(const std::vector<T>& from, size_t begin, size_t end, std::vector<T>* to) {
  if (from.empty()) return;
  to->insert(to->end(), from.begin() + static_cast<std::ptrdiff_t>(begin),
             from.begin() + static_cast<std::ptrdiff_t>(end));
}

}  // namespace

void LabelBatch::Clear() {
  offsets.assign(1, 0);
  window_offsets.assign(1, 0);
  ids.clear();
  window_hashes.clear();
  view_fingerprints.clear();
  for (auto* column : {&log_probs, &tail_mass, &other_tails, &true_log_probs, &logits, &log_sum_exp}) column->clear();
}

void LabelBatch::Reserve(size_t num_labels, size_t num_more_entries) {
  const auto reserve = [](auto* column, size_t more) {
    if (column->size() + more > column->capacity())
      column->reserve(std::max(column->size() + more, 2 * column->size()));
  };
  reserve(&offsets, num_labels);
  reserve(&tail_mass, num_labels);
  reserve(&ids, num_more_entries);
  reserve(&log_probs, num_more_entries);
}

void LabelBatch::Append(std::span<const uint32_t> label_ids, std::span<const float> label_log_probs, float tail) {
  ids.insert(ids.end(), label_ids.begin(), label_ids.end());
  log_probs.insert(log_probs.end(), label_log_probs.begin(), label_log_probs.end());
  offsets.push_back(static_cast<uint32_t>(ids.size()));
  tail_mass.push_back(tail);
}

void LabelBatch::AppendRange(const LabelBatch& other, size_t begin, size_t end) {
  const uint32_t first = other.offsets[begin];
  const uint32_t last = other.offsets[end];
  const uint32_t shift = offsets.back() - first;
  AppendRows(other.ids, first, last, &ids);
  AppendRows(other.log_probs, first, last, &log_probs);
  AppendRows(other.logits, first, last, &logits);
  AppendRows(other.tail_mass, begin, end, &tail_mass);
  AppendRows(other.true_log_probs, begin, end, &true_log_probs);
  AppendRows(other.log_sum_exp, begin, end, &log_sum_exp);
  const size_t num_others = other.size() == 0 ? 0 : other.other_tails.size() / other.size();
  AppendRows(other.other_tails, begin * num_others, end * num_others, &other_tails);
  for (size_t i = begin; i < end; ++i) offsets.push_back(other.offsets[i + 1] + shift);
  if (other.window_hashes.empty()) AppendRows(other.view_fingerprints, begin, end, &view_fingerprints);
}

void LabelBatch::AppendSamples(const LabelBatch& other, size_t begin, size_t end) {
  if (other.window_hashes.empty()) return AppendRange(other, begin, end);
  const uint32_t first = other.window_offsets[begin];
  const uint32_t shift = window_offsets.back() - first;
  AppendRange(other, first, other.window_offsets[end]);
  for (size_t i = begin; i < end; ++i) window_offsets.push_back(other.window_offsets[i + 1] + shift);
  AppendRows(other.window_hashes, begin, end, &window_hashes);
  AppendRows(other.view_fingerprints, begin, end, &view_fingerprints);
}

void LabelBatch::SortEntries(EntryOrder order) {
  struct Entry {
    uint32_t id;
    float log_prob;
    float logit;
  };
  std::vector<Entry> entries;
  for (size_t i = 0; i < size(); ++i) {
    const uint32_t begin = offsets[i], end = offsets[i + 1];
    entries.clear();
    for (uint32_t entry = begin; entry < end; ++entry) {
      entries.push_back({ids[entry], log_probs[entry], logits.empty() ? 0 : logits[entry]});
    }
    std::sort(entries.begin(), entries.end(), [order](const Entry& a, const Entry& b) {
      if (order == EntryOrder::kLikeliestFirst && a.log_prob != b.log_prob) return a.log_prob > b.log_prob;
      return a.id < b.id;
    });
    for (uint32_t entry = begin; entry < end; ++entry) {
      ids[entry] = entries[entry - begin].id;
      log_probs[entry] = entries[entry - begin].log_prob;
      if (!logits.empty()) logits[entry] = entries[entry - begin].logit;
    }
  }
}

double KlDivergence(const LabelBatch& p, size_t i, const LabelBatch& q, size_t j) {
  const auto sorted = [](const LabelBatch& labels, size_t label) {
    std::vector<std::pair<uint32_t, double>> entries;
    for (size_t entry = labels.offsets[label]; entry < labels.offsets[label + 1]; ++entry) {
      entries.emplace_back(labels.ids[entry], labels.log_probs[entry]);
    }
    std::sort(entries.begin(), entries.end());
    return entries;
  };
  const auto p_entries = sorted(p, i);
  const auto q_entries = sorted(q, j);
  double kl = 0;
  for (size_t entry = 0; entry < p_entries.size(); ++entry) {
    const double log_p = p_entries[entry].second;
    const double prob = std::exp(log_p);
    if (prob > 0) kl += prob * (log_p - q_entries[entry].second);
  }
  const double p_tail = p.tail_mass[i];
  const double q_tail = q.tail_mass[j];
  if (p_tail > 0) kl += p_tail * (std::log(p_tail) - std::log(q_tail));
  return std::max(kl, 0.0);
}

}  // namespace decant
