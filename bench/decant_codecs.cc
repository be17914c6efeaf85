#include <cmath>

#include "decant/base/error.h"
#include "decant/base/half.h"
#include "decant/store/chunk_codec.h"

#include "label_codec.h"

namespace decant {
namespace {

// A profile of Decant's codec: what a chunk's record takes, header and checksum included, as the store's files hold it.
class DecantCodec : public LabelCodec {
 public:
  DecantCodec(std::string name, const CodecParams& params, Prior prior, std::string note)
      : name_(std::move(name)), params_(params), prior_(prior), note_(std::move(note)), codec_(params) {}

  std::string name() const override { return name_; }
  std::string note() const override { return note_; }
  std::optional<double> kl_bound() const override { return codec_.KlBound(); }
  size_t table_bytes() const override { return table_bytes_; }

  void Calibrate(const LabelBatch& labels) override {
    const CodecTables tables = LearnTables(params_, labels, prior_);
    table_bytes_ = EncodeTables(params_, tables).size();
    codec_ = ChunkCodec(params_, tables);
  }
  std::string Encode(const LabelBatch& chunk) override {
    return codec_.Encode(Place(chunk.size()), codec_.Quantise(chunk));
  }
  void Decode(std::string_view bytes, size_t num_labels, LabelBatch* labels) override {
    codec_.DecodeLabels(Place(num_labels), bytes, labels);
  }

 private:
  static ChunkPlace Place(size_t num_labels) {
    return {.epoch = 0, .chunk = 0, .num_samples = static_cast<uint32_t>(num_labels)};
  }

  const std::string name_;
  const CodecParams params_;
  const Prior prior_;
  const std::string note_;
  size_t table_bytes_ = 0;
  ChunkCodec codec_;
};

// The exact profile on float16 probabilities, as TinyViT's records hold them.
class ExactCodec : public DecantCodec {
 public:
  explicit ExactCodec(const LabelShape& shape)
      : DecantCodec("decant_exact", Params(shape), Prior::kLearnt, "float16 probabilities, lossless") {}

  std::optional<double> kl_bound() const override { return std::nullopt; }
  void Calibrate(const LabelBatch& labels) override { DecantCodec::Calibrate(Rounded(labels)); }
  std::string Encode(const LabelBatch& chunk) override { return DecantCodec::Encode(Rounded(chunk)); }

 private:
  static CodecParams Params(const LabelShape& shape) {
    return {.num_classes = shape.num_classes, .k = shape.k, .values = Values::kFp16Probs, .delta = shape.delta};
  }
  static LabelBatch Rounded(LabelBatch labels) {
    for (float& log_prob : labels.log_probs) {
      log_prob = std::log(Fp16ToFloat(FloatToFp16(std::exp(log_prob))));
    }
    return labels;
  }
};

}  // namespace

std::vector<std::unique_ptr<LabelCodec>> MakeDecantCodecs(const LabelShape& shape) {
  const CodecParams bounded = {.num_classes = shape.num_classes, .k = shape.k, .delta = shape.delta};
  CodecParams graded = bounded;
  graded.delta = shape.graded_delta;
  graded.max_delta = kGradedMaxDelta;
  const std::string graded_note = fmt::format("steps from {:.4g} to {:.4g}", graded.delta, graded.max_delta);
  std::vector<std::unique_ptr<LabelCodec>> codecs;
  const auto add = [&](const char* name, const CodecParams& params, Prior prior, const std::string& note) {
    codecs.push_back(std::make_unique<DecantCodec>(name, params, prior, note));
  };
  const std::string step = fmt::format("step {:.4g}", bounded.delta);
  add("decant_bounded", bounded, Prior::kNone, step);
  add("decant_bounded_prior", bounded, Prior::kLearnt, step);
  codecs.push_back(MakeDecantExactCodec(shape));
  add("decant_graded", graded, Prior::kNone, graded_note);
  add("decant_graded_prior", graded, Prior::kLearnt, graded_note);
  return codecs;
}

std::unique_ptr<LabelCodec> MakeDecantExactCodec(const LabelShape& shape) {
  return std::make_unique<ExactCodec>(shape);
}

std::unique_ptr<LabelCodec> MakeDecantSampleCodec(const LabelShape& shape) {
  const CodecParams params = {.num_classes = shape.num_classes, .k = shape.k, .delta = shape.delta};
  return std::make_unique<DecantCodec>("decant_sample", params, Prior::kLearnt,
                                       fmt::format("step {:.4g}", shape.delta));
}

}  // namespace decant
