#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace decant {

// Height, width and channels of an image, in that order in memory (HWC, uint8).
struct ImageShape {
  uint32_t height = 0;
  uint32_t width = 0;
  uint32_t channels = 0;

  size_t num_bytes() const { return size_t{height} * width * channels; }
  bool operator==(const ImageShape&) const = default;
};

struct Image {
  ImageShape shape;
  std::vector<uint8_t> pixels;  // [height, width, channels]
};

}  // namespace decant
