#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "decant/store/soft_label.h"

namespace decant {

// The labels that a codec is measured on.
struct LabelShape {
  uint32_t num_classes = 0;
  uint32_t k = 0;                   // the most entries of a label
  bool fixed_counts = true;         // every label has k entries
  double delta = 1.0 / 32;          // step of those codecs that quantise with one, nats
  double graded_delta = 1.0 / 128;  // step at probability 1 of those with graded steps, which end at kGradedMaxDelta
};
inline constexpr double kGradedMaxDelta = 0.5;

// A way to store soft labels, chunk by chunk. Not thread-safe.
class LabelCodec {
 public:
  virtual ~LabelCodec() = default;

  // As in the benchmark's rows.
  virtual std::string name() const = 0;
  // Learns tables from labels that are not among those measured. Called once, before anything else.
  virtual void Calibrate(const LabelBatch&) {}
  // Bytes of what Calibrate() learnt: kept once a store, not in the chunks.
  virtual size_t table_bytes() const { return 0; }
  // The codec's guarantee of KL(teacher || decoded) in nats, when it has one.
  virtual std::optional<double> kl_bound() const { return std::nullopt; }
  // What a reader of the row must know.
  virtual std::string note() const { return ""; }

  // All bytes of one chunk, with whatever headers and checksums the codec needs to read it.
  virtual std::string Encode(const LabelBatch& chunk) = 0;
  // Appends the labels of a chunk, `num_labels` as its place says, their entries in the order in which they are stored.
  // A codec that does not keep the tail mass gives 1 - (sum of the entries), which may be negative.
  virtual void Decode(std::string_view bytes, size_t num_labels, LabelBatch* labels) = 0;
};

// TinyViT's record, as its files hold it: a seed (int32), k class ids (int16; int32 where those do not reach), k
// probabilities (float16), sorted by probability, largest first: 4 + 4k bytes. Labels with fewer than k entries are
// filled up with the id -1.
std::unique_ptr<LabelCodec> MakeTinyVitCodec(const LabelShape& shape);
// The same records of a chunk through zstd at level 19.
std::unique_ptr<LabelCodec> MakeTinyVitZstdCodec(const LabelShape& shape);

// An ablation, what a general entropy coder gets: ascending gaps of the ids and the codes round(-log p / delta) of
// entries and tail, as planes of bytes, through zstd. Decodes like Decant's codec, so KL <= delta^2 / 8.
std::unique_ptr<LabelCodec> MakePlaneCodec(const LabelShape& shape, int zstd_level);

// Decant's own profiles.
std::vector<std::unique_ptr<LabelCodec>> MakeDecantCodecs(const LabelShape& shape);
// Of the labels' probabilities rounded to float16: what a store of imported records takes.
std::unique_ptr<LabelCodec> MakeDecantExactCodec(const LabelShape& shape);
// Of drawn labels.
std::unique_ptr<LabelCodec> MakeDecantSampleCodec(const LabelShape& shape);

// DistillKit's record (arcee-ai/DistillKit, `DistributionQuantizationConfig` without residuals): the log-probabilities,
// sorted, the first `exact` as bfloat16 and the others as the coefficients (float32) of the best fit, in least squares,
// of `powers` of t = 0, 1, ... and, with `sqrt`, its root; the ids in that order, ceil(log2 C) bits each, high bits
// first.
struct DistillKitConfig {
  uint32_t exact = 16;
  std::vector<int> powers = {0, 1, 2, 3, 4};
  bool sqrt = true;

  uint32_t num_terms() const { return static_cast<uint32_t>(powers.size()) + (sqrt ? 1 : 0); }
  // A label's bytes.
  size_t Bytes(uint32_t num_classes, uint32_t k) const;
};
// The published configuration for a k: the recommended one from 64 entries, else the "budget pick" (1 exact; 1, t and
// sqrt(t)).
DistillKitConfig PublishedDistillKitConfig(uint32_t k);
// `shape.fixed_counts` must hold, and k must be above exact + terms: kInvalidArgument otherwise.
std::unique_ptr<LabelCodec> MakeDistillKitCodec(const LabelShape& shape, const DistillKitConfig& config);

// A chunk through zstd and back. kInternal when zstd refuses.
std::string ZstdCompress(std::string_view bytes, int level);
std::string ZstdDecompress(std::string_view bytes);

}  // namespace decant
