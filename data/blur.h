#pragma once

#include <cstdint>

#include "image_ops.h"

namespace decant {

// Pillow's GaussianBlur to the bit: three box blurs along each axis, whose sides are fractions of pixels and have the
// Gaussian's variance together. `sigma` is in pixels of the image, times 2^16.
void GaussianBlur(const Canvas& image, uint32_t sigma);

}  // namespace decant
