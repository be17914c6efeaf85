#include "decant/store/chunk_codec.h"

#include "label_codec.h"

namespace decant {
namespace {

// A chunk's record, header and checksum included, as the store's files hold it.
class BoundedCodec : public LabelCodec {
 public:
  explicit BoundedCodec(const LabelShape& shape)
      : codec_({.num_classes = shape.num_classes, .k = shape.k, .delta = shape.delta}) {}

  std::string name() const override { return "decant_bounded"; }
  std::optional<double> kl_bound() const override { return codec_.KlBound(); }
  std::string Encode(const LabelBatch& chunk) override {
    return codec_.Encode(Place(chunk.size()), codec_.Quantise(chunk));
  }
  void Decode(std::string_view bytes, size_t num_labels, LabelBatch* labels) override {
    const LabelCodes codes = codec_.Decode(Place(num_labels), bytes);
    codec_.Dequantise(codes, 0, codes.size(), labels);
  }

 private:
  static ChunkPlace Place(size_t num_labels) { return {.num_labels = static_cast<uint32_t>(num_labels)}; }

  ChunkCodec codec_;
};

}  // namespace

std::vector<std::unique_ptr<LabelCodec>> MakeDecantCodecs(const LabelShape& shape) {
  std::vector<std::unique_ptr<LabelCodec>> codecs;
  codecs.push_back(std::make_unique<BoundedCodec>(shape));
  return codecs;
}

}  // namespace decant
