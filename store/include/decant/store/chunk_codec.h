#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decant/store/codec_params.h"
#include "decant/store/codec_tables.h"
#include "decant/store/label_codes.h"
#include "decant/store/soft_label.h"

namespace decant {

// Packs a chunk's soft labels into bytes and back. The error of rounded log-probabilities is bounded: each, and log
// tail mass, is off by at most half a step, and decoding normalises the listed classes together with the tail, so that
// KL(teacher || decoded) <= KlBound() for every label (nats, the tail as one bucket; float32 labels add up to 5e-7 of
// rounding); docs/format.md has the proof. Any label of a chunk can be decoded alone. Immutable: safe to share between
// threads; copies share their tables.
class ChunkCodec {
 public:
  // With the default tables. kInvalidArgument for parameters that no store can have.
  explicit ChunkCodec(const CodecParams& params);
  // With the tables of a store.
  ChunkCodec(const CodecParams& params, const CodecTables& tables);

  const CodecParams& params() const;
  // At the first temperature: delta^2 / 8 for steps of one size, more for graded ones; 0 for exact values.
  double KlBound() const;

  // Turns labels into codes. Appends KL(teacher || stored) of each label, nats, to `kl` unless it is null.
  // kInvalidArgument, naming label and entry, for class ids that are not below num_classes or come twice, for more than
  // k entries or none, for log-probabilities above 0 or NaN, for a tail outside [0, 1], for mass (listed and tail) that
  // is not 1 to 1e-3, for columns that the store has not or lacks, for values that an exact store cannot hold. With
  // CodecParams::record_order, the entries are in the order of their record, whose other bits (extras) become 0.
  LabelCodes Quantise(const LabelBatch& labels, std::vector<double>* kl = nullptr) const;
  // Appends the labels [begin, end) of `codes` to `labels`, at the temperature of that index.
  void Dequantise(const LabelCodes& codes, size_t begin, size_t end, LabelBatch* labels, size_t temperature = 0) const;
  // Puts the entries of each label into the order in which this codec lists classes: what Quantise() does, for codes
  // that come from elsewhere.
  void SortEntries(LabelCodes* codes) const;

  // The record of a chunk (docs/format.md).
  std::string Encode(const ChunkPlace& place, const LabelCodes& codes) const;
  // All labels of a chunk. Any damage is kDataLoss and names the place and what was found there; what is appended to
  // then means nothing until its Clear().
  LabelCodes Decode(const ChunkPlace& place, std::string_view record) const;
  // The same, appended to `labels` as log-probabilities at the temperature of that index: faster than both in turn.
  void DecodeLabels(const ChunkPlace& place, std::string_view record, LabelBatch* labels, size_t temperature = 0) const;
  // The labels of sample `index` < place.num_samples alone, one unless the store is of windows, without decoding the
  // others. Does not read the whole record and so does not check its checksum: for records whose bytes were checked
  // already, as RocksDB does when it reads a block.
  LabelCodes DecodeSample(const ChunkPlace& place, std::string_view record, size_t index) const;
  // The same, into `codes`, whose memory is re-used.
  void DecodeSample(const ChunkPlace& place, std::string_view record, size_t index, LabelCodes* codes) const;

  // The label of sample `index` in a chunk's record.
  struct SampleRecord {
    ChunkPlace place;
    std::string_view record;
    size_t index = 0;
  };
  // Appends single labels of many records, as DecodeSample() finds each, but read side by side. Not for windows.
  void DecodeSamples(std::span<const SampleRecord> samples, LabelBatch* labels, size_t temperature = 0) const;

  // Bits of the labels' entropy-coded streams, without the chunk around them: what calibration minimises.
  uint64_t CountBits(const LabelCodes& codes) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace decant
