#include "exif.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace decant {
namespace {

constexpr uint64_t kOrientationTag = 0x0112;
constexpr uint64_t kTypeShort = 3;

// An unsigned integer of `size` bytes. The caller has checked the bounds.
uint64_t IntegerAt(std::string_view bytes, size_t offset, size_t size, bool big_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[offset + (big_endian ? i : size - 1 - i)]);
    value = value << 8 | byte;
  }
  return value;
}

}  // namespace

unsigned ExifOrientation(std::string_view tiff) {
  constexpr size_t kHeaderBytes = 8;
  constexpr size_t kEntryBytes = 12;
  const bool big_endian = tiff.starts_with(std::string_view("MM\0*", 4));
  if (tiff.size() < kHeaderBytes || (!big_endian && !tiff.starts_with(std::string_view("II*\0", 4)))) return 1;
  const uint64_t directory = IntegerAt(tiff, 4, 4, big_endian);
  if (directory + 2 > tiff.size()) return 1;
  const uint64_t num_entries = IntegerAt(tiff, directory, 2, big_endian);
  unsigned orientation = 1;
  for (uint64_t i = 0; i < num_entries; ++i) {
    const uint64_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > tiff.size()) break;
    if (IntegerAt(tiff, entry, 2, big_endian) != kOrientationTag) continue;
    if (IntegerAt(tiff, entry + 2, 2, big_endian) != kTypeShort || IntegerAt(tiff, entry + 4, 4, big_endian) != 1) {
      continue;
    }
    const uint64_t value = IntegerAt(tiff, entry + 8, 2, big_endian);
    if (value >= 1 && value <= 8) orientation = static_cast<unsigned>(value);
  }
  return orientation;
}

void ApplyOrientation(unsigned orientation, Image* image) {
  if (orientation <= 1 || orientation > 8) return;
  const ImageShape from = image->shape;
  const bool transposed = orientation >= 5;
  const bool mirrored_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirrored_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  ImageShape to = from;
  if (transposed) std::swap(to.height, to.width);
  std::vector<uint8_t> pixels(to.num_bytes());
  uint8_t* out = pixels.data();
  for (uint32_t y = 0; y < to.height; ++y) {
    for (uint32_t x = 0; x < to.width; ++x) {
      const uint32_t column = transposed ? y : x;
      const uint32_t row = transposed ? x : y;
      const size_t from_x = mirrored_x ? from.width - 1 - column : column;
      const size_t from_y = mirrored_y ? from.height - 1 - row : row;
      std::memcpy(out, &image->pixels[(from_y * from.width + from_x) * from.channels], from.channels);
      out += from.channels;
    }
  }
  image->shape = to;
  image->pixels = std::move(pixels);
}

}  // namespace decant
