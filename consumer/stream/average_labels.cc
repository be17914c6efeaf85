#include <algorithm>
#include <cmath>

#include "decant/base/error.h"
#include "decant/consumer/store_set.h"

namespace decant {
namespace {

void RequireSameViews(const LabelBatch& first, const LabelBatch& other) {
  if (other.size() != first.size()) {
    Fail(ErrorCode::kMismatch, "teachers with {} and {} labels", first.size(), other.size());
  }
  if (other.window_hashes != first.window_hashes || other.window_offsets != first.window_offsets) {
    Fail(ErrorCode::kMismatch, "teachers that saw different tokens cannot be averaged");
  }
  if (other.view_fingerprints.empty() || first.view_fingerprints.empty()) return;
  const auto differ = std::ranges::mismatch(first.view_fingerprints, other.view_fingerprints);
  if (differ.in1 == first.view_fingerprints.end()) return;
  Fail(ErrorCode::kMismatch,
       "label {}: teachers that saw different views cannot be averaged (fingerprint {:#06x}, {:#06x})",
       differ.in1 - first.view_fingerprints.begin(), *differ.in1, *differ.in2);
}

// One teacher's probability of a class.
struct Entry {
  uint32_t id;
  size_t teacher;
  double prob;
  bool operator<(const Entry& other) const { return id < other.id; }
};

}  // namespace

void AppendAverages(const std::vector<LabelBatch>& teachers, uint32_t num_classes, LabelBatch* labels) {
  const LabelBatch& first = teachers.front();
  for (const LabelBatch& teacher : teachers) RequireSameViews(first, teacher);
  const double share = 1 / static_cast<double>(teachers.size());
  LabelBatch averages;
  std::vector<Entry> entries;
  std::vector<double> unlisted(teachers.size());  // each teacher's probability of a class that its label lacks
  std::vector<uint32_t> ids;
  std::vector<float> log_probs;
  for (size_t i = 0; i < first.size(); ++i) {
    entries.clear();
    ids.clear();
    log_probs.clear();
    double tail = 0;
    double all_unlisted = 0;
    for (size_t t = 0; t < teachers.size(); ++t) {
      const auto label_ids = teachers[t].LabelIds(i);
      const auto label_log_probs = teachers[t].LabelLogProbs(i);
      for (size_t e = 0; e < label_ids.size(); ++e) {
        entries.push_back({label_ids[e], t, std::exp(double{label_log_probs[e]})});
      }
      const size_t num_unlisted = num_classes - label_ids.size();
      const double own_tail = num_unlisted > 0 ? double{teachers[t].tail_mass[i]} : 0;
      unlisted[t] = num_unlisted > 0 ? own_tail / static_cast<double>(num_unlisted) : 0;
      all_unlisted += unlisted[t];
      tail += own_tail;
    }
    std::sort(entries.begin(), entries.end());
    for (size_t e = 0; e < entries.size();) {
      const uint32_t id = entries[e].id;
      double prob = 0;
      double from_tails = all_unlisted;  // of the teachers that lack the class
      for (; e < entries.size() && entries[e].id == id; ++e) {
        prob += entries[e].prob;
        from_tails -= unlisted[entries[e].teacher];
      }
      tail -= from_tails;
      ids.push_back(id);
      log_probs.push_back(std::min(0.0f, static_cast<float>(std::log((prob + std::max(from_tails, 0.0)) * share))));
    }
    const bool lists_all = ids.size() == num_classes;
    averages.Append(ids, log_probs, lists_all ? 0 : static_cast<float>(std::clamp(tail * share, 0.0, 1.0)));
  }
  averages.window_offsets = first.window_offsets;
  averages.window_hashes = first.window_hashes;
  averages.view_fingerprints = first.view_fingerprints;
  labels->AppendSamples(averages, 0, averages.num_samples());
}

}  // namespace decant
