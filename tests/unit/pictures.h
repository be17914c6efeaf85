#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "decant/base/random.h"
#include "decant/data/source.h"

namespace decant {

// Between -1 and 1, with the period 2 pi or so; the same bits on every machine.
inline double Wave(double x) {
  const double t = x / 6.28 - std::floor(x / 6.28);
  return 8 * t * (1 - t) - 1;
}

// A picture with waves, an edge and some noise; another one for each number.
inline Image MakePicture(uint64_t number, const ImageShape& shape) {
  Image image{shape, std::vector<uint8_t>(shape.num_bytes())};
  RandomStream random(number, RandomPurpose::kSyntheticTeacher, 0, 0);
  uint8_t* pixel = image.pixels.data();
  std::vector<double> wave;
  for (uint32_t i = 0; i < 4 * shape.channels; ++i) wave.push_back(random.NextUniform(-9, 9));
  for (uint32_t y = 0; y < shape.height; ++y) {
    for (uint32_t x = 0; x < shape.width; ++x) {
      const double u = (x + 0.5) / shape.width, v = (y + 0.5) / shape.height;
      for (uint32_t c = 0; c < shape.channels; ++c) {
        const double* w = &wave[4 * c];
        const double value = 128 + 70 * Wave(w[0] * u + w[1] * v) + (w[2] * u + w[3] * v > w[2] / 2 ? 40 : -40) +
                             9 * random.NextUniform();
        *pixel++ = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  }
  return image;
}

// Pictures of the given shapes, over and over.
class PictureSource : public ImageSource {
 public:
  PictureSource(uint64_t num_samples, std::vector<ImageShape> shapes)
      : num_samples_(num_samples), shapes_(std::move(shapes)) {}
  uint64_t num_samples() const override { return num_samples_; }
  uint32_t num_classes() const override { return 10; }
  uint32_t channels() const override { return shapes_.front().channels; }
  std::optional<ImageShape> image_shape() const override {
    return shapes_.size() == 1 ? std::optional(shapes_.front()) : std::nullopt;
  }
  std::string Name(uint64_t) const override { return ""; }
  uint64_t ContentHash(uint64_t sample_id) const override { return sample_id; }
  uint32_t Label(uint64_t sample_id) const override { return static_cast<uint32_t>(sample_id % 10); }
  void ReadImage(uint64_t sample_id, Image* image) const override {
    *image = MakePicture(sample_id, ShapeOf(sample_id));
  }
  nlohmann::json Identity() const override { return {{"kind", "pictures"}}; }
  ImageShape ShapeOf(uint64_t sample_id) const { return shapes_[sample_id % shapes_.size()]; }

 private:
  uint64_t num_samples_;
  std::vector<ImageShape> shapes_;
};

}  // namespace decant
