#include "image_ops.h"

#include <algorithm>
#include <vector>

namespace decant {
namespace {

using Table = std::array<uint8_t, 256>;
using Histogram = std::array<uint64_t, 256>;

size_t NumPixels(const Canvas& image) {
  return size_t{image.shape.height} * image.shape.width;
}

uint8_t Grey(const uint8_t* rgb) {
  return static_cast<uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

// `value` moved away from `base` by the factor.
uint8_t Blend(int32_t base, int32_t value, uint32_t factor) {
  const int64_t blended = int64_t{base} * 65536 + int64_t{factor} * (value - base);
  return static_cast<uint8_t>(std::clamp<int64_t>(blended >> 16, 0, 255));
}

template <typename Map>
Table MakeTable(Map map) {
  Table table{};
  for (int32_t value = 0; value < 256; ++value) table[static_cast<size_t>(value)] = map(value);
  return table;
}

void Apply(const Canvas& image, const Table& table) {
  for (size_t i = 0; i < image.shape.num_bytes(); ++i) image.pixels[i] = table[image.pixels[i]];
}

// A table of its own for each channel, made from the channel's histogram.
template <typename MakeTableOf>
void ApplyToEachChannel(const Canvas& image, MakeTableOf make_table_of) {
  const size_t channels = image.shape.channels, size = image.shape.num_bytes();
  for (size_t c = 0; c < channels; ++c) {
    Histogram histogram{};
    for (size_t i = c; i < size; i += channels) ++histogram[image.pixels[i]];
    const Table table = make_table_of(histogram);
    for (size_t i = c; i < size; i += channels) image.pixels[i] = table[image.pixels[i]];
  }
}

}  // namespace

void FlipHorizontally(const Canvas& image) {
  const size_t channels = image.shape.channels, row_bytes = image.shape.width * channels;
  for (uint32_t y = 0; y < image.shape.height; ++y) {
    uint8_t* left = image.pixels + y * row_bytes;
    uint8_t* right = left + row_bytes - channels;
    for (; left < right; left += channels, right -= channels) std::swap_ranges(left, left + channels, right);
  }
}

void FillBox(const Canvas& image, const RelativeBox& box, const Colour& fill) {
  const PixelBox pixels = PixelsOf(box, image.shape.height, image.shape.width);
  const size_t channels = image.shape.channels;
  for (uint32_t y = pixels.top; y < pixels.bottom; ++y) {
    uint8_t* row = image.pixels + size_t{y} * image.shape.width * channels;
    for (size_t i = pixels.left * channels; i < pixels.right * channels; ++i) {
      row[i] = static_cast<uint8_t>(fill[std::min<size_t>(i % channels, 2)]);
    }
  }
}

void ChangeBrightness(const Canvas& image, uint32_t factor) {
  Apply(image, MakeTable([&](int32_t value) { return Blend(0, value, factor); }));
}

void ScaleBrightness(const Canvas& image, uint32_t factor) {
  Apply(image, MakeTable([&](int32_t value) {
          const int64_t scaled = (int64_t{value} * factor + 32768) >> 16;
          return static_cast<uint8_t>(std::min<int64_t>(scaled, 255));
        }));
}

void ChangeContrast(const Canvas& image, uint32_t factor) {
  const size_t count = NumPixels(image);
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += image.shape.channels == 3 ? Grey(image.pixels + 3 * i) : image.pixels[i];
  }
  const auto mean = static_cast<int32_t>((2 * sum + count) / (2 * count));
  Apply(image, MakeTable([&](int32_t value) { return Blend(mean, value, factor); }));
}

void ChangeSaturation(const Canvas& image, uint32_t factor) {
  if (image.shape.channels != 3) return;
  for (size_t i = 0; i < 3 * NumPixels(image); i += 3) {
    const uint8_t grey = Grey(image.pixels + i);
    for (size_t c = 0; c < 3; ++c) image.pixels[i + c] = Blend(grey, image.pixels[i + c], factor);
  }
}

void ChangeSharpness(const Canvas& image, uint32_t factor) {
  const uint32_t height = image.shape.height, width = image.shape.width;
  const size_t channels = image.shape.channels, row_bytes = width * channels;
  thread_local std::vector<uint8_t> original;
  original.assign(image.pixels, image.pixels + image.shape.num_bytes());
  for (uint32_t y = 1; y + 1 < height; ++y) {
    for (size_t x = channels; x + channels < row_bytes; ++x) {
      const uint8_t* centre = &original[y * row_bytes + x];
      uint32_t sum = 4u * *centre;
      for (const uint8_t* row = centre - row_bytes; row <= centre + row_bytes; row += row_bytes) {
        sum += row[0] + uint32_t{*(row - channels)} + row[channels];
      }
      // The centre counts five times of thirteen; to the nearest.
      image.pixels[y * row_bytes + x] = Blend(static_cast<int32_t>((2 * sum + 13) / 26), *centre, factor);
    }
  }
}

void MakeGrey(const Canvas& image) {
  if (image.shape.channels != 3) return;
  for (size_t i = 0; i < 3 * NumPixels(image); i += 3) std::fill_n(image.pixels + i, 3, Grey(image.pixels + i));
}

void Posterize(const Canvas& image, uint32_t bits) {
  const auto mask = static_cast<uint8_t>(0xff00u >> bits);
  Apply(image, MakeTable([&](int32_t value) { return static_cast<uint8_t>(value & mask); }));
}

void Solarize(const Canvas& image, double threshold) {
  Apply(image, MakeTable([&](int32_t value) { return static_cast<uint8_t>(value < threshold ? value : 255 - value); }));
}

void AutoContrast(const Canvas& image) {
  ApplyToEachChannel(image, [](const Histogram& histogram) {
    int32_t low = 0, high = 255;
    while (low < 255 && histogram[static_cast<size_t>(low)] == 0) ++low;
    while (high > 0 && histogram[static_cast<size_t>(high)] == 0) --high;
    if (high <= low) return MakeTable([](int32_t value) { return static_cast<uint8_t>(value); });
    const double scale = 255.0 / (high - low);
    const double offset = -low * scale;
    return MakeTable([&](int32_t value) {
      return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(value * scale + offset), 0, 255));
    });
  });
}

void Equalize(const Canvas& image) {
  const uint64_t count = NumPixels(image);
  ApplyToEachChannel(image, [&](const Histogram& histogram) {
    size_t brightest = 255;
    while (histogram[brightest] == 0) --brightest;
    const uint64_t step = (count - histogram[brightest]) / 255;
    if (step == 0) return MakeTable([](int32_t value) { return static_cast<uint8_t>(value); });
    uint64_t below = step / 2;
    return MakeTable([&](int32_t value) {
      const uint64_t level = below / step;
      below += histogram[static_cast<size_t>(value)];
      return static_cast<uint8_t>(std::min<uint64_t>(level, 255));
    });
  });
}

}  // namespace decant
