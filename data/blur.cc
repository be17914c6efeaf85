#include "blur.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace decant {
namespace {

constexpr int kPasses = 3;

// A box of 2 * radius + 1 whole pixels and a fraction of one more at each end.
struct Box {
  uint32_t radius;
  uint32_t whole_weight, end_weight;  // times 2^24
};

// Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended box filtering", SSVM 2011; in the floats
// and doubles that Pillow takes.
Box BoxOf(float sigma) {
  const float variance = sigma * sigma / kPasses;
  const auto length = static_cast<float>(std::sqrt(12.0 * variance + 1.0));
  const auto whole = static_cast<float>(std::floor((length - 1.0) / 2.0));
  float fraction = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  fraction /= 6 * (variance - (whole + 1) * (whole + 1));
  const float radius = whole + fraction;
  Box box{};
  box.radius = static_cast<uint32_t>(radius);
  box.whole_weight = static_cast<uint32_t>((1 << 24) / (radius * 2 + 1));
  box.end_weight = ((1u << 24) - (box.radius * 2 + 1) * box.whole_weight) / 2;
  return box;
}

// Blurs a line of pixels in place. Beyond its ends the line goes on with its last pixel. `padded` is scratch.
void BlurLine(const Box& box, std::vector<uint8_t>* padded, uint8_t* line, size_t length) {
  const size_t margin = box.radius + 1;
  padded->resize(length + 2 * margin);
  uint8_t* const in = padded->data() + margin;
  for (int pass = 0; pass < kPasses; ++pass) {
    std::fill_n(padded->data(), margin, line[0]);
    std::copy_n(line, length, in);
    std::fill_n(in + length, margin, line[length - 1]);
    uint32_t sum = 0;
    for (size_t i = 1; i < 2 * margin; ++i) sum += (*padded)[i];
    for (size_t i = 0; i < length; ++i) {
      const uint32_t ends = uint32_t{in[i + margin]} + *(in + i - margin);
      line[i] = static_cast<uint8_t>((sum * box.whole_weight + ends * box.end_weight + (1u << 23)) >> 24);
      sum += in[i + margin];
      sum -= *(in + i + 1 - margin);
    }
  }
}

}  // namespace

void GaussianBlur(const Canvas& image, uint32_t sigma) {
  const Box box = BoxOf(static_cast<float>(sigma / 65536.0));
  const size_t height = image.shape.height, width = image.shape.width, channels = image.shape.channels;
  thread_local std::vector<uint8_t> line, padded;
  const auto blur = [&](size_t begin, size_t step, size_t length) {
    line.resize(length);
    for (size_t i = 0; i < length; ++i) line[i] = image.pixels[begin + i * step];
    BlurLine(box, &padded, line.data(), length);
    for (size_t i = 0; i < length; ++i) image.pixels[begin + i * step] = line[i];
  };
  for (size_t y = 0; y < height; ++y) {
    for (size_t c = 0; c < channels; ++c) blur(y * width * channels + c, channels, width);
  }
  for (size_t x = 0; x < width * channels; ++x) blur(x, width * channels, height);
}

}  // namespace decant
