#include "decant/store/chunk_codec.h"

#include <algorithm>
#include <span>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/store/record.h"

#include "bit_column.h"
#include "label_coder.h"
#include "quantiser.h"

namespace decant {
namespace {

std::string Describe(const ChunkPlace& place) {
  return fmt::format("chunk {} of epoch {}", place.chunk, place.epoch);
}

void CheckParams(const CodecParams& params) {
  if (params.k < 1 || params.k > params.num_classes) {
    Fail(ErrorCode::kInvalidArgument, "labels.k is {}, but must be 1 to the number of classes, {}", params.k,
         params.num_classes);
  }
  if (params.temperatures.empty()) Fail(ErrorCode::kInvalidArgument, "labels.temperatures is empty");
  double last = 0;
  for (const double temperature : params.temperatures) {
    if (!(temperature > last && temperature < 1e6)) {
      Fail(ErrorCode::kInvalidArgument,
           "labels.temperatures has {} after {}: they must ascend, be above 0 and below 10^6", temperature, last);
    }
    last = temperature;
  }
  if (params.values == Values::kFp16Probs && (params.temperatures.size() > 1 || params.true_label)) {
    Fail(ErrorCode::kInvalidArgument, "float16 probabilities have one temperature and no true label's");
  }
  if (params.logits() && params.temperatures.front() != 1) {
    Fail(ErrorCode::kInvalidArgument, "labels.temperatures begins with {}: logits are stored at 1",
         params.temperatures.front());
  }
  if (params.record_order && params.values != Values::kFp16Probs) {
    Fail(ErrorCode::kInvalidArgument, "only float16 probabilities have the order of records");
  }
}

void CheckTables(const CodecParams& params, const CodecTables& tables) {
  const size_t num_contexts = NumContexts(params.num_classes);
  if ((!tables.class_order.empty() && tables.class_order.size() != params.num_classes) ||
      tables.gaps.size() != num_contexts || tables.values.size() != num_contexts) {
    Fail(ErrorCode::kInvalidArgument, "the codec tables are not for {} classes", params.num_classes);
  }
}

// Entries of every label; 0 when they differ.
uint32_t CommonCount(const LabelCodes& codes) {
  for (size_t i = 1; i < codes.size(); ++i) {
    if (codes.offsets[i + 1] - codes.offsets[i] != codes.offsets[1]) return 0;
  }
  return codes.size() == 0 ? 0 : codes.offsets[1];
}

// The parts of a chunk, checked as far as whole columns go; labels are checked as they are read.
class ChunkParts {
 public:
  // `name` is the chunk's for when its bytes end too early.
  ChunkParts(const CodecParams& params, const ChunkPlace& place, std::string_view payload, std::string_view name)
      : place_(place) {
    ByteReader reader(payload, name);
    Expect("epoch", place.epoch, reader.Get<uint32_t>());
    Expect("chunk", place.chunk, reader.Get<uint64_t>());
    Expect("number of samples", place.num_samples, reader.Get<uint32_t>());
    num_labels_ = place.num_samples;
    if (params.windows) ReadWindows(place, &reader);
    if (params.view_fingerprints) fingerprints_ = reader.GetBytes(size_t{place.num_samples} * sizeof(uint16_t));
    fixed_count_ = reader.Get<uint32_t>();
    if (fixed_count_ > params.k) {
      Fail(ErrorCode::kDataLoss, "{}: entries of a label: expected 0 to {}, found {}", what(), params.k, fixed_count_);
    }
    min_bits_ = reader.Get<uint32_t>();
    lengths_ = Column(&reader, num_labels_);
    stream_ = reader.GetBytes(reader.remaining());
    CheckMinBits();
  }

  // That the labels fill the stream.
  void CheckStream() const {
    const uint64_t num_bits = LabelBegin(num_labels_);
    if ((num_bits + 7) / 8 != stream_.size()) {
      Fail(ErrorCode::kDataLoss, "{}: expected {} bytes of labels, found {}", what(), (num_bits + 7) / 8,
           stream_.size());
    }
    if (num_bits % 8 != 0 && static_cast<unsigned char>(stream_.back()) >> (num_bits % 8) != 0) {
      Fail(ErrorCode::kDataLoss, "{}: padding bits that are not zero", what());
    }
  }

  std::string what() const { return Describe(place_); }
  BitReader stream() const { return BitReader(stream_); }
  const std::vector<uint32_t>& windows() const { return windows_; }
  uint64_t WindowHash(size_t window) const { return hashes_.at(window); }
  // Appends the fingerprints of the samples [begin, end), where there are any.
  void AppendFingerprints(size_t begin, size_t end, std::vector<uint16_t>* fingerprints) const {
    if (fingerprints_.empty()) return;
    ByteReader reader(fingerprints_.substr(begin * sizeof(uint16_t), (end - begin) * sizeof(uint16_t)), "fingerprints");
    for (size_t i = begin; i < end; ++i) fingerprints->push_back(reader.Get<uint16_t>());
  }
  // What samples have beside labels; theirs are the last ones of `labels`.
  void AppendSamples(LabelBatch* labels) const {
    for (size_t i = 0; i < hashes_.size(); ++i) {
      labels->window_offsets.push_back(labels->window_offsets.back() + windows_[i + 1] - windows_[i]);
      labels->window_hashes.push_back(hashes_[i]);
    }
    AppendFingerprints(0, place_.num_samples, &labels->view_fingerprints);
  }
  size_t num_labels() const { return num_labels_; }

  // How many entries so many labels have at most; 0 when only they know.
  size_t MostEntries(size_t count) const { return uint64_t{fixed_count_} * 2 <= min_bits_ ? count * fixed_count_ : 0; }

  // The stream's bytes that a label is in; kDataLoss when it ends after them.
  std::string_view BytesOf(const LabelCoder::Source& source) const {
    if (source.end > 8 * stream_.size()) Fail(ErrorCode::kDataLoss, "{}: a label ends after the stream", what());
    return stream_.substr(source.begin / 8, (source.end + 7) / 8 - source.begin / 8);
  }
  // Where a label is.
  LabelCoder::Source SourceOf(size_t index) const {
    const uint64_t begin = LabelBegin(index);
    return {.begin = begin, .end = begin + min_bits_ + lengths_[index], .fixed_count = fixed_count_};
  }
  // Where the labels [begin, end) are.
  std::vector<LabelCoder::Source> Sources(size_t begin, size_t end) const {
    std::vector<LabelCoder::Source> sources(end - begin);
    uint64_t bit = LabelBegin(begin);
    for (size_t i = begin; i < end; ++i) {
      const uint64_t next = bit + min_bits_ + lengths_[i];
      sources[i - begin] = {.begin = bit, .end = next, .fixed_count = fixed_count_};
      bit = next;
    }
    return sources;
  }

 private:
  // Every label takes bits, so that a wrong number of labels cannot ask for more memory than the stream has.
  void CheckMinBits() const {
    if (num_labels_ > 0 ? min_bits_ == 0 || num_labels_ * min_bits_ > 8 * stream_.size() : min_bits_ != 0) {
      Fail(ErrorCode::kDataLoss, "{}: {} labels of {} bits and more in {} bytes", what(), num_labels_, min_bits_,
           stream_.size());
    }
  }

  template <typename Int>
  void Expect(std::string_view field, Int expected, Int found) const {
    if (found != expected) Fail(ErrorCode::kDataLoss, "{}: {}: expected {}, found {}", what(), field, expected, found);
  }

  BitColumn Column(ByteReader* reader, uint64_t count) const {
    const auto width = reader->Get<uint8_t>();
    if (width > 32) Fail(ErrorCode::kDataLoss, "{}: numbers of {} bits", what(), width);
    const BitColumn column(reader->GetBytes(PackedBytes(count, width)), width, count);
    if (!column.PaddingIsZero()) Fail(ErrorCode::kDataLoss, "{}: padding bits that are not zero", what());
    return column;
  }

  void ReadWindows(const ChunkPlace& place, ByteReader* reader) {
    const BitColumn lengths = Column(reader, place.num_samples);
    uint64_t total = 0;
    windows_.push_back(0);
    for (size_t i = 0; i < place.num_samples; ++i) {
      total += lengths[i];
      if (total > kMaxChunkLabels) Fail(ErrorCode::kDataLoss, "{}: more than {} labels", what(), kMaxChunkLabels);
      windows_.push_back(static_cast<uint32_t>(total));
    }
    for (size_t i = 0; i < place.num_samples; ++i) hashes_.push_back(reader->Get<uint64_t>());
    num_labels_ = total;
  }

  uint64_t LabelBegin(size_t index) const { return uint64_t{min_bits_} * index + lengths_.Sum(index); }

  static constexpr uint64_t kMaxChunkLabels = uint64_t{1} << 29;

  ChunkPlace place_;
  uint64_t num_labels_ = 0;
  std::vector<uint32_t> windows_;
  std::vector<uint64_t> hashes_;
  std::string_view fingerprints_;
  uint32_t fixed_count_ = 0;
  uint32_t min_bits_ = 0;
  BitColumn lengths_;
  std::string_view stream_;
};

void PutColumn(const std::vector<uint32_t>& values, ByteWriter* writer) {
  const uint32_t largest = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  const unsigned width = BitWidth(largest);
  BitWriter bits;
  for (const uint32_t value : values) bits.Put(value, width);
  writer->Put(static_cast<uint8_t>(width));
  std::string bytes;
  bits.AppendTo(&bytes);
  writer->PutBytes(bytes);
}

}  // namespace

struct ChunkCodec::Impl {
  Impl(const CodecParams& a_params, const CodecTables& tables)
      : params(a_params), coder(a_params, tables), quantiser(a_params, &coder.places()) {}

  // Packs the labels; returns the bits of each.
  std::vector<uint32_t> EncodeLabels(const LabelCodes& codes, bool fixed_count, BitWriter* writer) const;
  // Appends the labels at `sources`, the first of which is label `first` of the chunk.
  void DecodeLabels(const ChunkParts& parts, std::span<const LabelCoder::Source> sources, size_t first,
                    LabelCodes* codes) const;

  const CodecParams params;
  const LabelCoder coder;
  const Quantiser quantiser;
};

ChunkCodec::ChunkCodec(const CodecParams& params) {
  CheckParams(params);
  impl_ = std::make_shared<Impl>(params, DefaultTables(params));
}

ChunkCodec::ChunkCodec(const CodecParams& params, const CodecTables& tables) {
  CheckParams(params);
  CheckTables(params, tables);
  impl_ = std::make_shared<Impl>(params, tables);
}

const CodecParams& ChunkCodec::params() const {
  return impl_->params;
}

double ChunkCodec::KlBound() const {
  return KlBoundOf(impl_->params);
}

LabelCodes ChunkCodec::Quantise(const LabelBatch& labels, std::vector<double>* kl) const {
  return impl_->quantiser.Quantise(labels, kl);
}

void ChunkCodec::Dequantise(const LabelCodes& codes, size_t begin, size_t end, LabelBatch* labels,
                            size_t temperature) const {
  impl_->quantiser.Dequantise(codes, begin, end, temperature, labels);
}

void ChunkCodec::SortEntries(LabelCodes* codes) const {
  impl_->quantiser.SortEntries(codes);
}

std::vector<uint32_t> ChunkCodec::Impl::EncodeLabels(const LabelCodes& codes, bool fixed_count,
                                                     BitWriter* writer) const {
  std::vector<uint32_t> places(codes.ids);
  if (!coder.places().empty()) {
    for (uint32_t& place : places) place = coder.places()[place];
  }
  std::vector<uint32_t> lengths(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint64_t begin = writer->num_bits();
    coder.Encode(codes, i, places.data() + codes.offsets[i], fixed_count, writer);
    const uint64_t num_bits = writer->num_bits() - begin;
    if (num_bits > UINT32_MAX) Fail(ErrorCode::kInvalidArgument, "label {}: {} bits are too many", i, num_bits);
    lengths[i] = static_cast<uint32_t>(num_bits);
  }
  return lengths;
}

uint64_t ChunkCodec::CountBits(const LabelCodes& codes) const {
  BitWriter writer;
  impl_->EncodeLabels(codes, CommonCount(codes) != 0, &writer);
  return writer.num_bits();
}

std::string ChunkCodec::Encode(const ChunkPlace& place, const LabelCodes& codes) const {
  const bool windows = impl_->params.windows;
  const size_t num_samples = windows ? codes.windows.size() - 1 : codes.size();
  if (num_samples != place.num_samples) {
    Fail(ErrorCode::kInternal, "{}: expected {} samples, found {}", Describe(place), place.num_samples, num_samples);
  }
  const size_t num_fingerprints = impl_->params.view_fingerprints ? num_samples : 0;
  if (codes.view_fingerprints.size() != num_fingerprints) {
    Fail(ErrorCode::kInternal, "{}: expected {} view fingerprints, found {}", Describe(place), num_fingerprints,
         codes.view_fingerprints.size());
  }
  ByteWriter writer;
  writer.Put(place.epoch);
  writer.Put(place.chunk);
  writer.Put(place.num_samples);
  if (windows) {
    std::vector<uint32_t> lengths(num_samples);
    for (size_t i = 0; i < num_samples; ++i) lengths[i] = codes.windows[i + 1] - codes.windows[i];
    PutColumn(lengths, &writer);
    for (const uint64_t hash : codes.window_hashes) writer.Put(hash);
  }
  for (const uint16_t fingerprint : codes.view_fingerprints) writer.Put(fingerprint);
  const uint32_t fixed_count = CommonCount(codes);
  BitWriter stream;
  std::vector<uint32_t> lengths = impl_->EncodeLabels(codes, fixed_count != 0, &stream);
  const uint32_t min_bits = lengths.empty() ? 0 : *std::min_element(lengths.begin(), lengths.end());
  for (uint32_t& length : lengths) length -= min_bits;
  writer.Put(fixed_count);
  writer.Put(min_bits);
  PutColumn(lengths, &writer);
  std::string payload = writer.Take();
  stream.AppendTo(&payload);
  return WrapRecord(RecordMagic::kChunk, payload);
}

void ChunkCodec::Impl::DecodeLabels(const ChunkParts& parts, std::span<const LabelCoder::Source> sources, size_t first,
                                    LabelCodes* codes) const {
  codes->Reserve(sources.size(), parts.MostEntries(sources.size()));
  const size_t damaged = coder.Decode(parts.stream(), sources, codes);
  if (damaged < sources.size()) {
    Fail(ErrorCode::kDataLoss, "{}, label {}: its bits are not a label", parts.what(), first + damaged);
  }
}

LabelCodes ChunkCodec::Decode(const ChunkPlace& place, std::string_view record) const {
  const std::string what = Describe(place);
  const ChunkParts parts(impl_->params, place, UnwrapRecord(RecordMagic::kChunk, record, what), what);
  parts.CheckStream();
  LabelCodes codes;
  impl_->DecodeLabels(parts, parts.Sources(0, parts.num_labels()), 0, &codes);
  codes.windows = parts.windows();
  for (size_t i = 0; i + 1 < codes.windows.size(); ++i) codes.window_hashes.push_back(parts.WindowHash(i));
  parts.AppendFingerprints(0, place.num_samples, &codes.view_fingerprints);
  return codes;
}

void ChunkCodec::DecodeLabels(const ChunkPlace& place, std::string_view record, LabelBatch* labels,
                              size_t temperature) const {
  constexpr size_t kLabelsAtOnce = 32;  // the codes in between stay in the first cache
  const std::string what = Describe(place);
  const ChunkParts parts(impl_->params, place, UnwrapRecord(RecordMagic::kChunk, record, what), what);
  parts.CheckStream();
  labels->Reserve(parts.num_labels(), parts.MostEntries(parts.num_labels()));
  LabelCodes codes;
  const std::vector<LabelCoder::Source> sources = parts.Sources(0, parts.num_labels());
  for (size_t begin = 0; begin < sources.size(); begin += kLabelsAtOnce) {
    codes.Clear();
    const size_t count = std::min(kLabelsAtOnce, sources.size() - begin);
    impl_->DecodeLabels(parts, std::span(sources).subspan(begin, count), begin, &codes);
    try {
      impl_->quantiser.Dequantise(codes, 0, codes.size(), temperature, labels);
    } catch (const Error& error) {
      Fail(error.code(), "{}, counted from label {}: {}", what, begin, error.what());
    }
  }
  parts.AppendSamples(labels);
}

LabelCodes ChunkCodec::DecodeSample(const ChunkPlace& place, std::string_view record, size_t index) const {
  LabelCodes codes;
  DecodeSample(place, record, index, &codes);
  return codes;
}

void ChunkCodec::DecodeSample(const ChunkPlace& place, std::string_view record, size_t index, LabelCodes* codes) const {
  const ChunkParts parts(impl_->params, place, RecordPayload(RecordMagic::kChunk, record, "chunk"), "chunk");
  codes->Clear();
  if (impl_->params.windows) {
    const uint32_t first = parts.windows()[index];
    impl_->DecodeLabels(parts, parts.Sources(first, parts.windows()[index + 1]), first, codes);
    codes->windows = {0, static_cast<uint32_t>(codes->size())};
    codes->window_hashes = {parts.WindowHash(index)};
  } else {
    const LabelCoder::Source source = parts.SourceOf(index);
    impl_->DecodeLabels(parts, {&source, 1}, index, codes);
  }
  parts.AppendFingerprints(index, index + 1, &codes->view_fingerprints);
}

// The labels' bits are gathered in one stream: a label alone waits for its own bits at every entry.
void ChunkCodec::DecodeSamples(std::span<const SampleRecord> samples, LabelBatch* labels, size_t temperature) const {
  thread_local std::string stream;
  thread_local std::vector<LabelCoder::Source> sources;
  thread_local LabelCodes codes;
  stream.clear();
  sources.clear();
  codes.Clear();
  for (const SampleRecord& sample : samples) {
    const std::string_view payload = RecordPayload(RecordMagic::kChunk, sample.record, "chunk");
    const ChunkParts parts(impl_->params, sample.place, payload, "chunk");
    LabelCoder::Source source = parts.SourceOf(sample.index);
    const std::string_view bytes = parts.BytesOf(source);
    const uint64_t moved = 8 * stream.size() - source.begin / 8 * 8;
    source.begin += moved;
    source.end += moved;
    sources.push_back(source);
    stream.append(bytes);
    parts.AppendFingerprints(sample.index, sample.index + 1, &codes.view_fingerprints);
  }
  const size_t num_bytes = stream.size();
  stream.append(sizeof(uint64_t), '\0');  // what readers may look at
  const size_t damaged = impl_->coder.Decode(BitReader(std::string_view(stream).substr(0, num_bytes)), sources, &codes);
  if (damaged < samples.size()) {
    Fail(ErrorCode::kDataLoss, "{}, label {}: its bits are not a label", Describe(samples[damaged].place),
         samples[damaged].index);
  }
  impl_->quantiser.Dequantise(codes, 0, codes.size(), temperature, labels);
}

}  // namespace decant
