#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decant {

enum class EntryOrder { kById, kLikeliestFirst };

// The soft labels of `size()` views in compressed sparse rows: label i has the entries [offsets[i], offsets[i + 1]).
// A label is the teacher's distribution at one temperature: some classes with their log-probabilities, and the tail
// mass, the probability of all classes that are not listed.
struct LabelBatch {
  std::vector<uint32_t> offsets = {0};  // [size() + 1]
  std::vector<uint32_t> ids;     // [num_entries()] class ids, each once in a label; a store lists them in its order
  std::vector<float> log_probs;  // [num_entries()] natural logarithms, <= 0
  std::vector<float> tail_mass;  // [size()] in [0, 1]; 0 when every class is listed

  // Columns that a store has when its schema says so, and that are empty otherwise.
  std::vector<float> other_tails;              // [size() x T] tail mass at T further temperatures
  std::vector<float> true_log_probs;           // [size()] of the sample's true class
  std::vector<float> logits;                   // [num_entries()] as the teacher gave them, 16-bit numbers
  std::vector<float> log_sum_exp;              // [size()] of all the teacher's logits
  std::vector<uint32_t> window_offsets = {0};  // [num_windows + 1] the first label of each window of tokens
  std::vector<uint64_t> window_hashes;         // [num_windows] of the window's token ids
  std::vector<uint16_t> view_fingerprints;     // [num_samples()] of what the teacher saw

  size_t size() const { return tail_mass.size(); }
  size_t num_entries() const { return ids.size(); }
  // The windows, or the labels where there are none.
  size_t num_samples() const { return window_offsets.size() > 1 ? window_offsets.size() - 1 : size(); }
  // The entries of label i, as ids and as log-probabilities.
  std::span<const uint32_t> LabelIds(size_t i) const {
    return std::span(ids).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
  std::span<const float> LabelLogProbs(size_t i) const {
    return std::span(log_probs).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }

  // Keeps the memory.
  void Clear();
  // Memory for so many more labels with so many entries.
  void Reserve(size_t num_labels, size_t num_more_entries);
  // `label_ids` and `label_log_probs` have equal length.
  void Append(std::span<const uint32_t> label_ids, std::span<const float> label_log_probs, float tail);
  // Appends the labels [begin, end) of `other`, without their windows and what goes with windows.
  void AppendRange(const LabelBatch& other, size_t begin, size_t end);
  // Appends the samples [begin, end) of `other`: labels, or windows and theirs.
  void AppendSamples(const LabelBatch& other, size_t begin, size_t end);
  // Rearranges each label's entries; of equally likely classes the smaller id comes first.
  void SortEntries(EntryOrder order);
};

// The Kullback-Leibler divergence KL(p || q) in nats between label i of `p` and label j of `q`, over the listed classes
// and one bucket for the tail. Both labels list the same
// ids, in whatever order. Never negative.
double KlDivergence(const LabelBatch& p, size_t i, const LabelBatch& q, size_t j);

}  // namespace decant
