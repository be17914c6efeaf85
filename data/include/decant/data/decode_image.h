#pragma once

#include <cstdint>
#include <string_view>

#include "decant/data/image.h"

namespace decant {

struct DecodeOptions {
  uint32_t channels = 3;  // 1 or 3
  // JPEG alone: decode at 1/2, 1/4 or 1/8 of the size, as long as the shorter side keeps so many pixels. 0: full size.
  // It changes the pixels.
  uint32_t min_side = 0;
  uint32_t max_side = 16384;  // an image with a longer side is refused before memory is allocated
};

// Decodes a JPEG or PNG file's content, told apart by its first bytes, into re-used memory. The pixels are those of
// Pillow's ImageOps.exif_transpose(Image.open(file)).convert("RGB"), and of a further convert("L") for one channel:
// an alpha channel and transparent colours are dropped, CMYK and YCCK are taken as Adobe writes them (inverted), the
// EXIF orientation is applied. 16-bit PNG keeps the high byte of each sample; for grey, Pillow clips at 255 instead.
// kDataLoss, with `what`: neither JPEG nor PNG, damaged, cut short (no end marker included), or longer than max_side.
// kExhausted: out of memory. kInvalidArgument: options. Thread-safe.
void DecodeImage(std::string_view bytes, std::string_view what, const DecodeOptions& options, Image* image);

}  // namespace decant
