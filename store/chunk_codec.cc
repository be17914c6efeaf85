#include "decant/store/chunk_codec.h"

#include <algorithm>
#include <cmath>

#include "decant/base/bytes.h"
#include "decant/store/record.h"

#include "bit_pack.h"

namespace decant {
namespace {

// How far a label's mass may be from 1 before it is called wrong: the float32 sums of large softmaxes stay well inside.
constexpr double kMassTolerance = 1e-3;

std::string Describe(const ChunkPlace& place) {
  return fmt::format("chunk {} of epoch {}", place.chunk, place.epoch);
}

uint16_t QuantiseLog(double log_value, double delta) {
  const double code = std::nearbyint(-log_value / delta);
  return static_cast<uint16_t>(std::clamp(code, 0.0, static_cast<double>(kLargestCode)));
}

// The columns of a chunk's payload, checked as far as whole columns go; values are checked as they are read.
class ChunkColumns {
 public:
  ChunkColumns(const CodecParams& params, const ChunkPlace& place, std::string_view record)
      : params_(params), what_(Describe(place)) {
    const std::string_view payload = UnwrapRecord(RecordMagic::kChunk, record, what_);
    ByteReader reader(payload, what_);
    Expect("epoch", place.epoch, reader.Get<uint32_t>());
    Expect("chunk", place.chunk, reader.Get<uint64_t>());
    Expect("number of labels", place.num_labels, reader.Get<uint32_t>());
    num_labels_ = place.num_labels;
    largest_count_ = reader.Get<uint32_t>();
    if (largest_count_ == 0 || largest_count_ > params.k) {
      Fail(ErrorCode::kDataLoss, "{}: entries of a label: expected 1 to {}, found {}", what_, params.k, largest_count_);
    }
    const auto count_width = reader.Get<uint8_t>();
    const auto id_width = reader.Get<uint8_t>();
    const auto log_prob_width = reader.Get<uint8_t>();
    Expect("bits of an id", BitWidth(params.num_classes - 1), id_width);
    if (count_width != 0) Expect("bits of a count", BitWidth(largest_count_), count_width);
    if (log_prob_width > 16) Fail(ErrorCode::kDataLoss, "{}: log-probabilities of {} bits", what_, log_prob_width);
    fixed_count_ = count_width == 0;

    counts_ = Column(&reader, num_labels_, count_width);
    const uint64_t num_entries = EntriesBefore(num_labels_);
    ids_ = Column(&reader, num_entries, id_width);
    log_probs_ = Column(&reader, num_entries, log_prob_width);
    tails_ = Column(&reader, num_labels_, 16);
    if (reader.remaining() != 0) Fail(ErrorCode::kDataLoss, "{}: {} bytes too many", what_, reader.remaining());
  }

  // Entries of the labels [0, index).
  uint64_t EntriesBefore(size_t index) const {
    if (fixed_count_) return uint64_t{index} * largest_count_;
    uint64_t total = 0;
    for (size_t i = 0; i < index; ++i) total += Count(i);
    return total;
  }

  // Appends label `index`, whose entries start at `first_entry`. Returns where the next label's start.
  uint64_t Append(size_t index, uint64_t first_entry, LabelCodes* codes) const {
    const uint32_t count = Count(index);
    for (uint64_t entry = first_entry; entry < first_entry + count; ++entry) {
      const uint32_t id = ids_[entry];
      if (id >= params_.num_classes) {
        Fail(ErrorCode::kDataLoss, "{}, label {}: class id {} is not below {}", what_, index, id, params_.num_classes);
      }
      if (entry > first_entry && id <= codes->ids.back()) {
        Fail(ErrorCode::kDataLoss, "{}, label {}: class id {} after {}: ids must ascend", what_, index, id,
             codes->ids.back());
      }
      const uint32_t log_prob = log_probs_[entry];
      if (log_prob > kLargestCode) {
        Fail(ErrorCode::kDataLoss, "{}, label {}: log-probability code {} is above {}", what_, index, log_prob,
             kLargestCode);
      }
      codes->ids.push_back(id);
      codes->log_probs.push_back(static_cast<uint16_t>(log_prob));
    }
    codes->tail_mass.push_back(static_cast<uint16_t>(tails_[index]));
    codes->offsets.push_back(static_cast<uint32_t>(codes->ids.size()));
    return first_entry + count;
  }

 private:
  template <typename Int>
  void Expect(std::string_view field, Int expected, Int found) const {
    if (found != expected) Fail(ErrorCode::kDataLoss, "{}: {}: expected {}, found {}", what_, field, expected, found);
  }
  void Expect(std::string_view field, unsigned expected, uint8_t found) const {
    Expect<unsigned>(field, expected, unsigned{found});
  }

  BitColumn Column(ByteReader* reader, uint64_t count, unsigned width) const {
    const BitColumn column(reader->GetBytes(PackedBytes(count, width)), width);
    if (!column.PaddingIsZero(count)) Fail(ErrorCode::kDataLoss, "{}: padding bits that are not zero", what_);
    return column;
  }

  uint32_t Count(size_t index) const {
    if (fixed_count_) return largest_count_;
    const uint32_t count = counts_[index];
    if (count == 0 || count > largest_count_) {
      Fail(ErrorCode::kDataLoss, "{}, label {}: expected 1 to {} entries, found {}", what_, index, largest_count_,
           count);
    }
    return count;
  }

  const CodecParams& params_;
  std::string what_;
  uint32_t num_labels_ = 0;
  uint32_t largest_count_ = 0;
  bool fixed_count_ = false;
  BitColumn counts_, ids_, log_probs_, tails_;
};

}  // namespace

ChunkCodec::ChunkCodec(const CodecParams& params) : params_(params) {
  if (params.k < 1 || params.k > params.num_classes) {
    Fail(ErrorCode::kInvalidArgument, "labels.k is {}, but must be 1 to the number of classes, {}", params.k,
         params.num_classes);
  }
  if (!(params.delta >= 0x1p-10 && params.delta <= 1)) {
    Fail(ErrorCode::kInvalidArgument, "labels.delta is {}, but must be {} to 1 nats", params.delta, 0x1p-10);
  }
  probs_.resize(kLargestCode + size_t{1});
  for (size_t code = 0; code < probs_.size(); ++code) {
    probs_[code] = std::exp(-params.delta * static_cast<double>(code));
  }
}

LabelCodes ChunkCodec::Quantise(const LabelBatch& labels) const {
  LabelCodes codes;
  codes.offsets = labels.offsets;
  codes.ids = labels.ids;
  codes.log_probs.reserve(labels.num_entries());
  codes.tail_mass.reserve(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto ids = labels.LabelIds(i);
    const auto log_probs = labels.LabelLogProbs(i);
    if (ids.empty() || ids.size() > params_.k) {
      Fail(ErrorCode::kInvalidArgument, "label {}: {} entries, but must be 1 to k = {}", i, ids.size(), params_.k);
    }
    double total = labels.tail_mass[i];
    for (size_t entry = 0; entry < ids.size(); ++entry) {
      if (ids[entry] >= params_.num_classes || (entry > 0 && ids[entry] <= ids[entry - 1])) {
        Fail(ErrorCode::kInvalidArgument, "label {}, entry {}: class id {}: ids must ascend and be below {}", i, entry,
             ids[entry], params_.num_classes);
      }
      if (!(log_probs[entry] <= 0)) {
        Fail(ErrorCode::kInvalidArgument, "label {}, entry {}: log-probability {} is not <= 0", i, entry,
             log_probs[entry]);
      }
      codes.log_probs.push_back(QuantiseLog(log_probs[entry], params_.delta));
      total += std::exp(double{log_probs[entry]});
    }
    const float tail = labels.tail_mass[i];
    if (!(tail >= 0 && tail <= 1)) {
      Fail(ErrorCode::kInvalidArgument, "label {}: tail mass {} is not in [0, 1]", i, tail);
    }
    if (std::abs(total - 1) > kMassTolerance) {
      Fail(ErrorCode::kInvalidArgument, "label {}: probabilities and tail mass sum to {}, not to 1", i, total);
    }
    codes.tail_mass.push_back(tail > 0 ? QuantiseLog(std::log(double{tail}), params_.delta) : kNoTail);
  }
  return codes;
}

void ChunkCodec::Dequantise(const LabelCodes& codes, size_t begin, size_t end, LabelBatch* labels) const {
  for (size_t i = begin; i < end; ++i) {
    double total = codes.tail_mass[i] == kNoTail ? 0 : probs_[codes.tail_mass[i]];
    const double tail = total;
    for (uint32_t entry = codes.offsets[i]; entry < codes.offsets[i + 1]; ++entry) {
      total += probs_[codes.log_probs[entry]];
    }
    if (!(total > 0)) Fail(ErrorCode::kDataLoss, "label {}: no probability mass", i);
    const double log_total = std::log(total);
    for (uint32_t entry = codes.offsets[i]; entry < codes.offsets[i + 1]; ++entry) {
      labels->ids.push_back(codes.ids[entry]);
      labels->log_probs.push_back(static_cast<float>(-params_.delta * codes.log_probs[entry] - log_total));
    }
    labels->offsets.push_back(static_cast<uint32_t>(labels->ids.size()));
    labels->tail_mass.push_back(static_cast<float>(tail / total));
  }
}

std::string ChunkCodec::Encode(const ChunkPlace& place, const LabelCodes& codes) const {
  if (codes.size() != place.num_labels) {
    Fail(ErrorCode::kInternal, "{}: expected {} labels, found {}", Describe(place), place.num_labels, codes.size());
  }
  uint32_t largest_count = 0;
  bool fixed_count = true;
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint32_t count = codes.offsets[i + 1] - codes.offsets[i];
    fixed_count = fixed_count && (i == 0 || count == largest_count);
    largest_count = std::max(largest_count, count);
  }
  uint16_t largest_code = 0;
  for (const uint16_t code : codes.log_probs) largest_code = std::max(largest_code, code);
  const unsigned count_width = fixed_count ? 0 : BitWidth(largest_count);
  const unsigned id_width = BitWidth(params_.num_classes - 1);
  const unsigned log_prob_width = BitWidth(largest_code);

  ByteWriter writer;
  writer.Put(place.epoch);
  writer.Put(place.chunk);
  writer.Put(place.num_labels);
  writer.Put(largest_count);
  writer.Put(static_cast<uint8_t>(count_width));
  writer.Put(static_cast<uint8_t>(id_width));
  writer.Put(static_cast<uint8_t>(log_prob_width));
  std::string payload = writer.Take();
  BitPacker packer(&payload);
  if (!fixed_count) {
    for (size_t i = 0; i < codes.size(); ++i) packer.Put(codes.offsets[i + 1] - codes.offsets[i], count_width);
    packer.Finish();
  }
  for (const uint32_t id : codes.ids) packer.Put(id, id_width);
  packer.Finish();
  for (const uint16_t code : codes.log_probs) packer.Put(code, log_prob_width);
  packer.Finish();
  for (const uint16_t code : codes.tail_mass) packer.Put(code, 16);
  return WrapRecord(RecordMagic::kChunk, payload);
}

LabelCodes ChunkCodec::Decode(const ChunkPlace& place, std::string_view record) const {
  const ChunkColumns columns(params_, place, record);
  LabelCodes codes;
  uint64_t entry = 0;
  for (size_t i = 0; i < place.num_labels; ++i) entry = columns.Append(i, entry, &codes);
  return codes;
}

LabelCodes ChunkCodec::DecodeLabel(const ChunkPlace& place, std::string_view record, size_t index) const {
  const ChunkColumns columns(params_, place, record);
  LabelCodes codes;
  columns.Append(index, columns.EntriesBefore(index), &codes);
  return codes;
}

void UpdateContentDigest(const ChunkPlace& place, const LabelCodes& codes, Xxh3Stream* digest) {
  ByteWriter writer;
  writer.Put(place.epoch);
  writer.Put(place.chunk);
  writer.Put(place.num_labels);
  for (size_t i = 0; i < codes.size(); ++i) {
    writer.Put(codes.offsets[i + 1] - codes.offsets[i]);
    for (uint32_t entry = codes.offsets[i]; entry < codes.offsets[i + 1]; ++entry) {
      writer.Put(codes.ids[entry]);
      writer.Put(codes.log_probs[entry]);
    }
    writer.Put(codes.tail_mass[i]);
  }
  digest->Update(writer.bytes().data(), writer.bytes().size());
}

}  // namespace decant
