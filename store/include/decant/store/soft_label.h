#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decant {

// The soft labels of `size()` views in compressed sparse rows: label i has the entries [offsets[i], offsets[i + 1]).
// A label is the teacher's distribution at one temperature: some classes with their log-probabilities, and the tail
// mass, the probability of all classes that are not listed.
struct LabelBatch {
  std::vector<uint32_t> offsets = {0};  // [size() + 1]
  std::vector<uint32_t> ids;            // [num_entries()] class ids, strictly ascending within a label
  std::vector<float> log_probs;         // [num_entries()] natural logarithms, <= 0
  std::vector<float> tail_mass;         // [size()] in [0, 1]; 0 when every class is listed

  size_t size() const { return tail_mass.size(); }
  size_t num_entries() const { return ids.size(); }
  // The entries of label i, as ids and as log-probabilities.
  std::span<const uint32_t> LabelIds(size_t i) const {
    return std::span(ids).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
  std::span<const float> LabelLogProbs(size_t i) const {
    return std::span(log_probs).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }

  // Keeps the memory.
  void Clear();
  // `label_ids` and `label_log_probs` have equal length.
  void Append(std::span<const uint32_t> label_ids, std::span<const float> label_log_probs, float tail);
  // Appends the labels [begin, end) of `other`.
  void AppendRange(const LabelBatch& other, size_t begin, size_t end);
};

// The Kullback-Leibler divergence KL(p || q) in nats between label i of `p` and label j of `q`, over the listed classes
// and one bucket for the tail. Both labels list the same ids. Never negative.
double KlDivergence(const LabelBatch& p, size_t i, const LabelBatch& q, size_t j);

}  // namespace decant
