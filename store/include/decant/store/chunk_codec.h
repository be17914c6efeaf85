#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decant/base/hash.h"
#include "decant/store/soft_label.h"

namespace decant {

// What a chunk needs to be read: the binding part of the schema that the codec uses.
struct CodecParams {
  uint32_t num_classes = 0;  // ids are below it
  uint32_t k = 0;            // the most entries of a label, 1 <= k <= num_classes
  double delta = 0;          // step of the log-probabilities and of log tail mass, nats
};

// Where a chunk belongs; it is written into the chunk, so that a misplaced one is found.
struct ChunkPlace {
  uint32_t epoch = 0;
  uint64_t chunk = 0;
  uint32_t num_labels = 0;
};

// Codes of quantised labels, in the rows of LabelBatch. Digests are taken over these, never over packed bytes.
struct LabelCodes {
  std::vector<uint32_t> offsets = {0};  // [size() + 1]
  std::vector<uint32_t> ids;            // [num_entries]
  std::vector<uint16_t> log_probs;      // [num_entries] round(-log p / delta)
  std::vector<uint16_t> tail_mass;      // [size()] round(-log tail / delta); kNoTail for a tail of 0

  size_t size() const { return tail_mass.size(); }
};

inline constexpr uint16_t kNoTail = 0xffff;
inline constexpr uint16_t kLargestCode = 0xfffe;

// Packs a chunk's soft labels into bytes and back. The error is bounded: log-probabilities and log tail mass are
// rounded to multiples of delta, so each is off by at most delta / 2, and decoding normalises the listed classes
// together with the tail. By Hoeffding's lemma KL(teacher || decoded) <= delta^2 / 8 (nats, the tail as one bucket;
// float32 labels add up to 5e-7 of rounding); see docs/format.md. Logarithms below -65534 delta are stored as that:
// their mass is nil. Any label of a chunk can be decoded alone. Immutable: safe to share between threads.
class ChunkCodec {
 public:
  // kInvalidArgument when 1 <= k <= num_classes or 2^-10 <= delta <= 1 does not hold.
  explicit ChunkCodec(const CodecParams& params);

  const CodecParams& params() const { return params_; }
  // The guarantee above: delta^2 / 8.
  double KlBound() const { return params_.delta * params_.delta / 8; }

  // Rounds labels to codes. kInvalidArgument, naming label and entry, for ids that do not ascend or are not below
  // num_classes, for more than k entries or none, for log-probabilities above 0 or NaN, for a tail outside [0, 1],
  // for mass (listed and tail) that is not 1 to 1e-3.
  LabelCodes Quantise(const LabelBatch& labels) const;
  // Appends the labels [begin, end) of `codes` to `labels`.
  void Dequantise(const LabelCodes& codes, size_t begin, size_t end, LabelBatch* labels) const;

  // The record of a chunk (docs/format.md). `codes.size()` must be `place.num_labels`.
  std::string Encode(const ChunkPlace& place, const LabelCodes& codes) const;
  // All labels of a chunk. Any damage is kDataLoss and names the place and what was found there.
  LabelCodes Decode(const ChunkPlace& place, std::string_view record) const;
  // Label `index` < place.num_labels alone, without decoding the others.
  LabelCodes DecodeLabel(const ChunkPlace& place, std::string_view record, size_t index) const;

 private:
  CodecParams params_;
  std::vector<double> probs_;  // [code] exp(-delta * code), until it vanishes
};

// Feeds the content of a chunk (place, ids, codes) to a digest. Equal labels give equal digests, however they are
// packed.
void UpdateContentDigest(const ChunkPlace& place, const LabelCodes& codes, Xxh3Stream* digest);

}  // namespace decant
