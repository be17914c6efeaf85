#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "decant/base/bytes.h"

#include "label_codec.h"

namespace decant {
namespace {

constexpr uint16_t kNoTailCode = 0xffff;

// The bytes of `values` by significance: all lowest bytes, then all second ones, ... up to the last that is not 0.
template <typename Value>
void PutPlanes(const std::vector<Value>& values, ByteWriter* writer) {
  const Value largest = values.empty() ? Value{0} : *std::max_element(values.begin(), values.end());
  unsigned planes = 0;
  for (Value rest = largest; rest > 0; rest = static_cast<Value>(rest >> 8)) ++planes;
  writer->Put(static_cast<uint8_t>(planes));
  std::string plane(values.size(), '\0');
  for (unsigned i = 0; i < planes; ++i) {
    for (size_t j = 0; j < values.size(); ++j) plane[j] = static_cast<char>(values[j] >> (8 * i));
    writer->PutBytes(plane);
  }
}

template <typename Value>
std::vector<Value> GetPlanes(size_t count, ByteReader* reader) {
  std::vector<Value> values(count);
  const unsigned planes = reader->Get<uint8_t>();
  for (unsigned i = 0; i < planes; ++i) {
    const std::string_view plane = reader->GetBytes(count);
    for (size_t j = 0; j < count; ++j) {
      values[j] = static_cast<Value>(values[j] | Value{static_cast<unsigned char>(plane[j])} << (8 * i));
    }
  }
  return values;
}

class PlaneCodec : public LabelCodec {
 public:
  PlaneCodec(const LabelShape& shape, int level) : delta_(shape.delta), level_(level), probs_(65536) {
    for (size_t code = 0; code < probs_.size(); ++code) {
      probs_[code] = static_cast<float>(std::exp(-delta_ * static_cast<double>(code)));
    }
    probs_[kNoTailCode] = 0;
  }

  std::string name() const override { return "zstd" + std::to_string(level_) + "_planes"; }
  std::optional<double> kl_bound() const override { return delta_ * delta_ / 8; }

  std::string Encode(const LabelBatch& chunk) override {
    std::vector<uint32_t> counts, gaps;
    std::vector<uint16_t> codes, tails;
    gaps.reserve(chunk.num_entries());
    codes.reserve(chunk.num_entries());
    for (size_t i = 0; i < chunk.size(); ++i) {
      const auto ids = chunk.LabelIds(i);
      counts.push_back(static_cast<uint32_t>(ids.size()));
      uint32_t next = 0;
      for (const uint32_t id : ids) {
        gaps.push_back(id - next);
        next = id + 1;
      }
      for (const float log_prob : chunk.LabelLogProbs(i)) codes.push_back(Code(log_prob));
      tails.push_back(chunk.tail_mass[i] > 0 ? Code(std::log(chunk.tail_mass[i])) : kNoTailCode);
    }
    ByteWriter writer;
    PutPlanes(counts, &writer);
    PutPlanes(gaps, &writer);
    PutPlanes(codes, &writer);
    PutPlanes(tails, &writer);
    return ZstdCompress(writer.bytes(), level_);
  }

  void Decode(std::string_view bytes, size_t num_labels, LabelBatch* labels) override {
    const std::string planes = ZstdDecompress(bytes);
    ByteReader reader(planes, "chunk of planes");
    const auto counts = GetPlanes<uint32_t>(num_labels, &reader);
    size_t num_entries = 0;
    for (const uint32_t count : counts) num_entries += count;
    const auto gaps = GetPlanes<uint32_t>(num_entries, &reader);
    const auto codes = GetPlanes<uint16_t>(num_entries, &reader);
    const auto tails = GetPlanes<uint16_t>(num_labels, &reader);
    for (size_t i = 0, entry = 0; i < num_labels; ++i) {
      float total = probs_[tails[i]];
      for (size_t j = entry; j < entry + counts[i]; ++j) total += probs_[codes[j]];
      const float log_total = std::log(total);
      uint32_t next = 0;
      for (const size_t end = entry + counts[i]; entry < end; ++entry) {
        const uint32_t id = next + gaps[entry];
        labels->ids.push_back(id);
        labels->log_probs.push_back(static_cast<float>(-delta_ * codes[entry]) - log_total);
        next = id + 1;
      }
      labels->offsets.push_back(static_cast<uint32_t>(labels->ids.size()));
      labels->tail_mass.push_back(probs_[tails[i]] / total);
    }
  }

 private:
  uint16_t Code(float log_value) const {
    return static_cast<uint16_t>(std::clamp(std::nearbyint(-log_value / delta_), 0.0, 65534.0));
  }

  double delta_;
  int level_;
  std::vector<float> probs_;  // [code] exp(-delta * code)
};

}  // namespace

std::unique_ptr<LabelCodec> MakePlaneCodec(const LabelShape& shape, int zstd_level) {
  return std::make_unique<PlaneCodec>(shape, zstd_level);
}

}  // namespace decant
