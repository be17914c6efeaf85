#pragma once

#include <cstdint>
#include <vector>

#include "decant/base/hash.h"

namespace decant {

// Where a chunk belongs; it is written into the chunk, so that a misplaced one is found.
struct ChunkPlace {
  uint32_t epoch = 0;
  uint64_t chunk = 0;
  uint32_t num_samples = 0;
};

// Soft labels as whole numbers, in the rows of LabelBatch: what a chunk holds. Which columns a store has, the codec's
// parameters say; the others are empty. Digests are taken over these, never over packed bytes.
struct LabelCodes {
  std::vector<uint32_t> offsets = {0};  // [size() + 1]
  std::vector<uint32_t> ids;            // [num_entries], in the order of the store's classes
  std::vector<uint16_t> values;         // [num_entries] CodecParams::values; smaller codes are likelier
  std::vector<uint16_t> tails;          // [size()] of log tail mass; kNoTail for a tail of 0
  std::vector<uint16_t> other_tails;    // [size() x (temperatures - 1)] of log-odds of the tail mass; kNoTail
  std::vector<uint16_t> true_values;    // [size()] like values, of the true class
  std::vector<uint32_t> extras;         // [size()] bits of the log-sum-exp (float32), or of an imported record
  std::vector<uint32_t> tie_ranks;      // [num_entries] rank in the imported record among the entries of equal value
  std::vector<uint32_t> windows;        // [num_windows + 1] the first label of each window of tokens, and the end
  std::vector<uint64_t> window_hashes;  // [num_windows] of the window's token ids
  std::vector<uint16_t> view_fingerprints;  // [num_windows, or size() without windows] of what the teacher saw

  size_t size() const { return offsets.size() - 1; }
  // Keeps the memory.
  void Clear();
  // Memory for so many more labels with so many entries.
  void Reserve(size_t num_labels, size_t num_entries);
  bool operator==(const LabelCodes&) const = default;
};

inline constexpr uint16_t kNoTail = 0xffff;
inline constexpr uint16_t kLargestCode = 0xfffe;
inline constexpr uint16_t kFp16ZeroCode = 0x3c00;  // the largest of Values::kFp16Probs: the probability 0

// Feeds the content of a chunk to a digest. Equal labels give equal digests, however they are packed.
void UpdateContentDigest(const ChunkPlace& place, const LabelCodes& codes, Xxh3Stream* digest);

}  // namespace decant
