#include "decant/data/encode_png.h"

#include <png.h>

#include "decant/base/error.h"

namespace decant {

std::string EncodePng(const ImageShape& shape, std::span<const uint8_t> pixels) {
  if (shape.channels != 1 && shape.channels != 3) {
    Fail(ErrorCode::kInvalidArgument, "an image of {} channels cannot be a PNG file; expected 1 or 3", shape.channels);
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = shape.width;
  image.height = shape.height;
  image.format = shape.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string file(size, '\0');
  if (pixels.size() != shape.num_bytes() ||
      !png_image_write_to_memory(&image, file.data(), &size, 0, pixels.data(), 0, nullptr)) {
    Fail(ErrorCode::kInternal, "a PNG file of {} x {} pixels: {}", shape.height, shape.width, image.message);
  }
  file.resize(size);
  return file;
}

}  // namespace decant
