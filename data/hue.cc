#include <algorithm>

#include "image_ops.h"

namespace decant {
namespace {

struct Hsv {
  uint8_t hue, saturation, value;
};

uint8_t Clip(double value) {
  return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(value), 0, 255));
}

// Pillow's conversions (Convert.c, after Python's colorsys), float by float and double by double.
Hsv ToHsv(const uint8_t* rgb) {
  const uint8_t r = rgb[0], g = rgb[1], b = rgb[2];
  const uint8_t high = std::max({r, g, b}), low = std::min({r, g, b});
  if (high == low) return {0, 0, high};
  const auto range = static_cast<float>(high - low);
  const float red = static_cast<float>(high - r) / range;
  const float green = static_cast<float>(high - g) / range;
  const float blue = static_cast<float>(high - b) / range;
  float hue = blue - green;
  if (r != high) hue = static_cast<float>(g == high ? 2.0 + red - blue : 4.0 + green - red);
  const double turned = hue / 6.0 + 1.0;
  hue = static_cast<float>(turned >= 1 ? turned - 1 : turned);
  return {Clip(hue * 255.0), Clip(range / static_cast<float>(high) * 255.0), high};
}

void ToRgb(const Hsv& hsv, uint8_t* rgb) {
  const uint8_t v = hsv.value;
  if (hsv.saturation == 0) {
    std::fill_n(rgb, 3, v);
    return;
  }
  const auto sector = static_cast<int32_t>(hsv.hue * 6.0 / 255.0);
  const auto rest = static_cast<float>(static_cast<float>(hsv.hue) * 6.0 / 255.0 - static_cast<float>(sector));
  const auto saturation = static_cast<float>(hsv.saturation / 255.0);
  const uint8_t p = Clip(v * (1.0 - saturation) + 0.5);
  const uint8_t q = Clip(v * (1.0 - saturation * rest) + 0.5);
  const uint8_t t = Clip(v * (1.0 - saturation * (1.0 - rest)) + 0.5);
  const uint8_t sectors[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
  std::copy_n(sectors[sector % 6], 3, rgb);
}

}  // namespace

void TurnHue(const Canvas& image, int32_t steps) {
  if (image.shape.channels != 3) return;
  for (size_t i = 0; i < image.shape.num_bytes(); i += 3) {
    Hsv hsv = ToHsv(image.pixels + i);
    hsv.hue = static_cast<uint8_t>(hsv.hue + steps);
    ToRgb(hsv, image.pixels + i);
  }
}

}  // namespace decant
