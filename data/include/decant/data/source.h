#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

namespace decant {

// Height, width and channels of an image, in that order in memory (HWC, uint8).
struct ImageShape {
  uint32_t height = 0;
  uint32_t width = 0;
  uint32_t channels = 0;

  size_t num_bytes() const { return size_t{height} * width * channels; }
  bool operator==(const ImageShape&) const = default;
};

// The samples of a dataset, by sample id in [0, num_samples()). Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual uint64_t num_samples() const = 0;
  virtual uint32_t num_classes() const = 0;
  // Every image has this shape.
  virtual ImageShape image_shape() const = 0;
  // The true class of a sample.
  virtual uint32_t Label(uint64_t sample_id) const = 0;
  // Copies image_shape().num_bytes() bytes to `pixels`.
  virtual void ReadImage(uint64_t sample_id, uint8_t* pixels) const = 0;
  // What the schema records of the dataset: kind, split, sizes, and a fingerprint of the content.
  virtual nlohmann::json Identity() const = 0;
};

// Opens the images and labels of one split of a NumPy `.npz` file: arrays x_<split> (uint8, [N, H, W] or [N, H, W, C])
// and y_<split> (integers, [N]), as np.savez(path, x_train=..., y_train=..., x_test=..., y_test=...) writes them.
// Everything is held in memory. kNotFound, kDataLoss, kInvalidArgument.
std::unique_ptr<Source> OpenArraySource(const std::string& path, const std::string& split);

}  // namespace decant
