#pragma once

#include "decant/base/random.h"
#include "decant/data/source.h"

namespace decant {

// Small images whose class shows: as many bright columns as the class and one more, noise elsewhere.
class StripeSource : public ImageSource {
 public:
  static constexpr ImageShape kShape = {.height = 4, .width = 4, .channels = 1};
  explicit StripeSource(uint64_t num_samples) : num_samples_(num_samples) {}
  uint64_t num_samples() const override { return num_samples_; }
  uint32_t num_classes() const override { return 4; }
  uint32_t channels() const override { return 1; }
  std::optional<ImageShape> image_shape() const override { return kShape; }
  std::string Name(uint64_t) const override { return ""; }
  uint64_t ContentHash(uint64_t sample_id) const override { return sample_id; }
  uint32_t Label(uint64_t sample_id) const override { return static_cast<uint32_t>(sample_id % 4); }
  void ReadImage(uint64_t sample_id, Image* image) const override {
    image->shape = kShape;
    image->pixels.resize(kShape.num_bytes());
    RandomStream random(99, RandomPurpose::kView, 0, sample_id);
    for (uint32_t i = 0; i < 16; ++i) {
      image->pixels[i] = static_cast<uint8_t>(i % 4 <= Label(sample_id) ? 200 : random.NextBits() % 64);
    }
  }
  nlohmann::json Identity() const override { return {{"kind", "stripes"}, {"num_samples", num_samples_}}; }

 private:
  uint64_t num_samples_;
};

}  // namespace decant
