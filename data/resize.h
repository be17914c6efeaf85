#pragma once

#include <cstdint>

#include "decant/data/image.h"

namespace decant {

enum class ResizeFilter { kBilinear, kBicubic };

// A part of an image, in pixels: [left, right) x [top, bottom), 0 <= left < right <= width, the same for the height.
struct SourceBox {
  float left, top, right, bottom;
};

// Scales a part of an image to height x width: Pillow's Image.resize((width, height), filter, box) to the bit, with its
// antialiasing (the filter's support grows with the scale), its two passes with 8 bits in between, and its fixed point.
// Pixels next to the box count too. `image` [shape.height, shape.width, shape.channels]; `out` [height, width,
// shape.channels], another place. All sizes at least 1. Uses the thread's own scratch memory.
void Resize(const ImageShape& shape, const uint8_t* image, const SourceBox& box, ResizeFilter filter, uint32_t height,
            uint32_t width, uint8_t* out);

}  // namespace decant
