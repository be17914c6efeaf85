#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/data/image.h"

namespace decant {

// The samples of a dataset, by sample id in [0, num_samples()). Ids are stable: they depend on the dataset alone.
// Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual uint64_t num_samples() const = 0;
  // What the sample is called: a path inside the dataset; empty where samples have no names.
  virtual std::string Name(uint64_t sample_id) const = 0;
  // XXH3-64 of the sample's encoded bytes (a file's content; an array's elements; tokens as little-endian uint32).
  virtual uint64_t ContentHash(uint64_t sample_id) const = 0;
  // What the schema records of the dataset: kind, split, sizes, a fingerprint, and the samples that are left out.
  virtual nlohmann::json Identity() const = 0;
};

class ImageSource : public Source {
 public:
  // 0 when there are no true classes.
  virtual uint32_t num_classes() const = 0;
  // The true class of a sample; 0 when there are none.
  virtual uint32_t Label(uint64_t sample_id) const = 0;
  // Of every image.
  virtual uint32_t channels() const = 0;
  // The shape of every image, when they all have one.
  virtual std::optional<ImageShape> image_shape() const = 0;
  // Decodes an image into re-used memory. kDataLoss, naming the sample, when it cannot be decoded.
  virtual void ReadImage(uint64_t sample_id, Image* image) const = 0;
};

// Samples are runs of token ids: windows of a stream, or documents.
class TokenSource : public Source {
 public:
  // The longest sample.
  virtual uint32_t max_tokens() const = 0;
  // Copies a sample's tokens into re-used memory: 1 to max_tokens() of them.
  virtual void ReadTokens(uint64_t sample_id, std::vector<uint32_t>* tokens) const = 0;
};

// Opens the images and labels of one split of a NumPy `.npz` file: arrays x_<split> (uint8, [N, H, W] or [N, H, W, C])
// and y_<split> (integers, [N]), as np.savez(path, x_train=..., y_train=..., x_test=..., y_test=...) writes them.
// Everything is held in memory. kNotFound, kDataLoss, kInvalidArgument.
std::unique_ptr<ImageSource> OpenArraySource(const std::string& path, const std::string& split);

}  // namespace decant
