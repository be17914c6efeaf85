#include <utility>

#include "label_codec.h"
#include "tinyvit_record.h"

namespace decant {
namespace {

class TinyVitCodec : public LabelCodec {
 public:
  explicit TinyVitCodec(const LabelShape& shape) : record_(shape.num_classes, shape.k) {}

  std::string name() const override { return "tinyvit"; }
  std::string note() const override {
    return record_.id_bytes() == 2 ? "" : "ids of 32 bits: TinyViT's int16 ids do not reach";
  }
  std::string Encode(const LabelBatch& chunk) override {
    std::string records;
    records.reserve(chunk.size() * record_.bytes());
    // A seed is as good as random: 31 bits of a multiplicative hash.
    for (size_t i = 0; i < chunk.size(); ++i) {
      seed_ = seed_ * 6364136223846793005u + 1442695040888963407u;
      record_.Append(chunk, i, static_cast<int32_t>(seed_ >> 33), &records);
    }
    return records;
  }
  void Decode(std::string_view bytes, size_t num_labels, LabelBatch* labels) override {
    for (size_t i = 0; i < num_labels; ++i) record_.Decode(bytes.data() + i * record_.bytes(), labels);
  }

 private:
  TinyVitRecord record_;
  uint64_t seed_ = 1;
};

class TinyVitZstdCodec : public LabelCodec {
 public:
  explicit TinyVitZstdCodec(const LabelShape& shape) : records_(MakeTinyVitCodec(shape)) {}

  std::string name() const override { return "tinyvit_zstd19"; }
  std::string note() const override { return records_->note(); }
  std::string Encode(const LabelBatch& chunk) override { return ZstdCompress(records_->Encode(chunk), 19); }
  void Decode(std::string_view bytes, size_t num_labels, LabelBatch* labels) override {
    records_->Decode(ZstdDecompress(bytes), num_labels, labels);
  }

 private:
  std::unique_ptr<LabelCodec> records_;
};

}  // namespace

std::unique_ptr<LabelCodec> MakeTinyVitCodec(const LabelShape& shape) {
  return std::make_unique<TinyVitCodec>(shape);
}

std::unique_ptr<LabelCodec> MakeTinyVitZstdCodec(const LabelShape& shape) {
  return std::make_unique<TinyVitZstdCodec>(shape);
}

}  // namespace decant
