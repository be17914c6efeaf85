#pragma once

#include <cstdint>

namespace decant {

// A rectangle inside an image, in shares of the image's width and height, times 2^24: the same part of it at every
// resolution.
struct RelativeBox {
  static constexpr uint32_t kOne = 1 << 24;

  uint32_t left = 0;
  uint32_t top = 0;
  uint32_t width = kOne;
  uint32_t height = kOne;

  bool empty() const { return width == 0 || height == 0; }
  bool operator==(const RelativeBox&) const = default;
};

// Half-open ranges of pixels.
struct PixelBox {
  uint32_t left = 0;
  uint32_t top = 0;
  uint32_t right = 0;
  uint32_t bottom = 0;

  bool operator==(const PixelBox&) const = default;
};

// The pixels of a box in an image of this size: each edge is rounded to the nearest pixel's edge, halves up.
inline PixelBox PixelsOf(const RelativeBox& box, uint32_t height, uint32_t width) {
  const auto edge = [](uint32_t share, uint32_t size) {
    return static_cast<uint32_t>((uint64_t{share} * size + RelativeBox::kOne / 2) / RelativeBox::kOne);
  };
  return {.left = edge(box.left, width),
          .top = edge(box.top, height),
          .right = edge(box.left + box.width, width),
          .bottom = edge(box.top + box.height, height)};
}

}  // namespace decant
