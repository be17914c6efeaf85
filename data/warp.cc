#include "warp.h"

#include <algorithm>
#include <vector>

namespace decant {
namespace {

// The inverse of: shear, then rotate, then scale, then shift; all about the image's centre.
AffineMap SourceOf(const ViewParams& params, const ImageShape& shape) {
  const double t = params.half_tan;
  const double cosine = (1 - t * t) / (1 + t * t);
  const double sine = 2 * t / (1 + t * t);
  // Undo scale and rotation, then the shear (x += shear * y).
  const double rx = cosine / params.scale, ry = sine / params.scale;
  AffineMap map;
  map.yx = -ry;
  map.yy = rx;
  map.xx = rx - params.shear * map.yx;
  map.xy = ry - params.shear * map.yy;
  const double shift_x = params.shift_x * shape.width;
  const double shift_y = params.shift_y * shape.height;
  map.x0 = -(map.xx * shift_x + map.xy * shift_y);
  map.y0 = -(map.yx * shift_x + map.yy * shift_y);
  return map;
}

// Rounds towards minus infinity; faster than std::floor, which is a call where a processor may lack it.
int64_t Floor(double value) {
  const auto whole = static_cast<int64_t>(value);
  return whole - (value < static_cast<double>(whole));
}

// 24.8 fixed point, rounded.
int64_t Fixed(double value) {
  return Floor(value * 256 + 0.5);
}

bool IsIdentity(const ViewParams& params) {
  return params.shift_x == 0 && params.shift_y == 0 && params.half_tan == 0 && params.shear == 0 && params.scale == 1;
}

const uint8_t* Copy(const Canvas& image) {
  thread_local std::vector<uint8_t> copy;
  copy.assign(image.pixels, image.pixels + image.shape.num_bytes());
  return copy.data();
}

uint8_t ColourOf(const Colour& fill, size_t channel) {
  return static_cast<uint8_t>(fill[std::min<size_t>(channel, 2)]);
}

}  // namespace

void ApplyAffine(const Canvas& image, const ViewParams& params, const Colour& fill) {
  if (IsIdentity(params)) return;
  const auto height = static_cast<int64_t>(image.shape.height);
  const auto width = static_cast<int64_t>(image.shape.width);
  const auto channels = static_cast<int64_t>(image.shape.channels);
  const uint8_t* original = Copy(image);
  const AffineMap map = SourceOf(params, image.shape);
  const double half_width = static_cast<double>(width) / 2, half_height = static_cast<double>(height) / 2;
  std::vector<uint8_t> outside(image.shape.channels);
  for (size_t c = 0; c < outside.size(); ++c) outside[c] = ColourOf(fill, c);
  const auto at = [&](int64_t y, int64_t x) {
    return y < 0 || y >= height || x < 0 || x >= width ? outside.data() : original + (y * width + x) * channels;
  };
  uint8_t* out = image.pixels;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const double out_x = static_cast<double>(x) + 0.5 - half_width;
      const double out_y = static_cast<double>(y) + 0.5 - half_height;
      const int64_t fixed_x = Fixed(map.xx * out_x + map.xy * out_y + map.x0 + half_width - 0.5);
      const int64_t fixed_y = Fixed(map.yx * out_x + map.yy * out_y + map.y0 + half_height - 0.5);
      const int64_t left = fixed_x >> 8, top = fixed_y >> 8;
      const int64_t wx = fixed_x & 255, wy = fixed_y & 255;
      const uint8_t *upper_left = at(top, left), *upper_right = at(top, left + 1);
      const uint8_t *lower_left = at(top + 1, left), *lower_right = at(top + 1, left + 1);
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t upper = upper_left[c] * (256 - wx) + upper_right[c] * wx;
        const int64_t lower = lower_left[c] * (256 - wx) + lower_right[c] * wx;
        *out++ = static_cast<uint8_t>((upper * (256 - wy) + lower * wy + 32768) >> 16);
      }
    }
  }
}

void Transform(const Canvas& image, const AffineMap& map, const Colour& fill) {
  const auto height = static_cast<int32_t>(image.shape.height);
  const auto width = static_cast<int32_t>(image.shape.width);
  const size_t channels = image.shape.channels, row_bytes = image.shape.width * channels;
  const uint8_t* original = Copy(image);
  uint8_t* out = image.pixels;
  for (int32_t y = 0; y < height; ++y) {
    for (int32_t x = 0; x < width; ++x, out += channels) {
      const double in_x = map.xx * (x + 0.5) + map.xy * (y + 0.5) + map.x0;
      const double in_y = map.yx * (x + 0.5) + map.yy * (y + 0.5) + map.y0;
      if (!(in_x >= 0 && in_x < width && in_y >= 0 && in_y < height)) {
        for (size_t c = 0; c < channels; ++c) out[c] = ColourOf(fill, c);
        continue;
      }
      const auto left = static_cast<int32_t>(Floor(in_x - 0.5)), top = static_cast<int32_t>(Floor(in_y - 0.5));
      const double dx = in_x - 0.5 - left, dy = in_y - 0.5 - top;
      const size_t x0 = static_cast<size_t>(std::max(left, 0)) * channels;
      const size_t x1 = static_cast<size_t>(std::min(left + 1, width - 1)) * channels;
      const uint8_t* upper = original + static_cast<size_t>(std::max(top, 0)) * row_bytes;
      const uint8_t* lower = original + static_cast<size_t>(std::min(top + 1, height - 1)) * row_bytes;
      for (size_t c = 0; c < channels; ++c) {
        const double v1 = upper[x0 + c] + (upper[x1 + c] - upper[x0 + c]) * dx;
        const double v2 = lower[x0 + c] + (lower[x1 + c] - lower[x0 + c]) * dx;
        out[c] = static_cast<uint8_t>(v1 + (v2 - v1) * dy);
      }
    }
  }
}

}  // namespace decant
