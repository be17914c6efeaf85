#include "decant/data/decode_image.h"

#include <algorithm>

#include "decant/base/error.h"
#include "decant/base/hash.h"

#include "decoders.h"
#include "exif.h"

namespace decant {
namespace {

// In place: rgb of every grey pixel, from the last to the first.
void GreyToRgb(Image* image) {
  const size_t num_pixels = image->pixels.size();
  image->shape.channels = 3;
  image->pixels.resize(3 * num_pixels);
  uint8_t* pixels = image->pixels.data();
  for (size_t i = num_pixels; i-- > 0;) std::fill_n(pixels + 3 * i, 3, pixels[i]);
}

// In place, with Pillow's weights (ITU-R 601-2).
void RgbToGrey(Image* image) {
  const size_t num_pixels = image->pixels.size() / 3;
  uint8_t* pixels = image->pixels.data();
  for (size_t i = 0; i < num_pixels; ++i) {
    const uint8_t* rgb = pixels + 3 * i;
    pixels[i] = static_cast<uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
  }
  image->shape.channels = 1;
  image->pixels.resize(num_pixels);
}

}  // namespace

void CheckSize(uint64_t width, uint64_t height, uint64_t num_bytes, uint64_t max_pixels_per_byte, std::string_view what,
               const DecodeOptions& options) {
  if (width == 0 || height == 0) Fail(ErrorCode::kDataLoss, "{}: an image of {} x {} pixels", what, width, height);
  if (std::max(width, height) > options.max_side) {
    Fail(ErrorCode::kDataLoss, "{}: an image of {} x {} pixels; at most {} a side are read", what, width, height,
         options.max_side);
  }
  if (width * height / max_pixels_per_byte > num_bytes) {
    Fail(ErrorCode::kDataLoss, "{}: {} bytes cannot hold an image of {} x {} pixels", what, num_bytes, width, height);
  }
}

void DecodeImage(std::string_view bytes, std::string_view what, const DecodeOptions& options, Image* image) {
  if (options.channels != 1 && options.channels != 3) {
    Fail(ErrorCode::kInvalidArgument, "{}: images of {} channels; expected 1 or 3 (data.channels)", what,
         options.channels);
  }
  constexpr std::string_view kJpeg("\xff\xd8\xff", 3);
  constexpr std::string_view kPng("\x89PNG\r\n\x1a\n", 8);
  if (bytes.empty()) Fail(ErrorCode::kDataLoss, "{}: empty, expected a JPEG or PNG image", what);
  unsigned orientation = 1;
  if (bytes.starts_with(kJpeg)) {
    orientation = DecodeJpeg(bytes, what, options, image);
  } else if (bytes.starts_with(kPng)) {
    orientation = DecodePng(bytes, what, options, image);
  } else {
    Fail(ErrorCode::kDataLoss, "{}: neither a JPEG nor a PNG image; it begins with the bytes {}", what,
         Hex(bytes.substr(0, 8)));
  }
  if (options.channels == 1 && image->shape.channels == 3) RgbToGrey(image);
  if (options.channels == 3 && image->shape.channels == 1) GreyToRgb(image);
  ApplyOrientation(orientation, image);
}

}  // namespace decant
