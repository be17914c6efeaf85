#pragma once

#include <cstdint>
#include <string_view>

#include "decant/data/decode_image.h"

namespace decant {

// An image as a decoder leaves it: 1 or 3 channels, not yet turned. Returns its EXIF orientation, 1 to 8. kDataLoss.
unsigned DecodeJpeg(std::string_view bytes, std::string_view what, const DecodeOptions& options, Image* image);
unsigned DecodePng(std::string_view bytes, std::string_view what, const DecodeOptions& options, Image* image);

// kDataLoss for an image that has no pixels, is longer than max_side, or is more than `num_bytes` can encode when each
// holds up to `max_pixels_per_byte`: nothing is allocated on the word of a header.
void CheckSize(uint64_t width, uint64_t height, uint64_t num_bytes, uint64_t max_pixels_per_byte, std::string_view what,
               const DecodeOptions& options);

}  // namespace decant
