#include "resize.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "decant/base/hash.h"

#include "resize_pass.h"
#include "unit/pictures.h"

namespace decant {
namespace {

using Pixels = std::vector<uint8_t>;

SourceBox Whole(const ImageShape& shape) {
  return {0, 0, static_cast<float>(shape.width), static_cast<float>(shape.height)};
}

Pixels Resized(const Image& image, const SourceBox& box, uint32_t height, uint32_t width,
               ResizeFilter filter = ResizeFilter::kBicubic) {
  Pixels out(size_t{height} * width * image.shape.channels + 8, 77);
  Resize(image.shape, image.pixels.data(), box, filter, height, width, out.data());
  for (size_t i = out.size() - 8; i < out.size(); ++i) EXPECT_EQ(out[i], 77) << "writes behind the result";
  out.resize(out.size() - 8);
  return out;
}

TEST(ResizeTest, LeavesAnImageOfTheRightSizeAlone) {
  for (const ImageShape shape : {ImageShape{1, 1, 1}, ImageShape{17, 33, 3}, ImageShape{40, 16, 4}}) {
    const Image image = MakePicture(1, shape);
    for (const ResizeFilter filter : {ResizeFilter::kBilinear, ResizeFilter::kBicubic}) {
      EXPECT_EQ(Resized(image, Whole(shape), shape.height, shape.width, filter), image.pixels);
    }
  }
}

TEST(ResizeTest, CutsOutABoxOfWholePixels) {
  const Image image = MakePicture(2, {20, 30, 3});
  const Pixels out = Resized(image, {4, 5, 4 + 7, 5 + 9}, 9, 7);
  for (uint32_t y = 0; y < 9; ++y) {
    for (uint32_t i = 0; i < 21; ++i) EXPECT_EQ(out[y * 21 + i], image.pixels[((y + 5) * 30 + 4) * 3 + i]);
  }
}

TEST(ResizeTest, KeepsOneColour) {
  const Image image{{23, 31, 3}, Pixels(23 * 31 * 3, 201)};
  for (const uint32_t size : {1u, 7u, 50u}) {
    EXPECT_EQ(Resized(image, {1.5, 2.25, 29, 22.5}, size, size + 3), Pixels(size * (size + 3) * 3, 201));
  }
}

TEST(ResizeTest, HalvingIsTheWeightedMeanOfNeighbours) {
  const Image image{{1, 8, 1}, {0, 0, 0, 0, 80, 80, 80, 80}};
  // Bilinear with support 2: weights 1, 3, 3, 1 of 8.
  EXPECT_EQ(Resized(image, Whole(image.shape), 1, 4, ResizeFilter::kBilinear), (Pixels{0, 10, 70, 80}));
}

TEST(ResizeTest, FollowsTheMeanOfALargeImage) {
  const Image image = MakePicture(3, {384, 512, 3});
  const Pixels out = Resized(image, Whole(image.shape), 24, 32);
  const auto mean = [](const Pixels& pixels) {
    return std::accumulate(pixels.begin(), pixels.end(), 0.0) / static_cast<double>(pixels.size());
  };
  EXPECT_NEAR(mean(out), mean(image.pixels), 0.6);
}

TEST(ResizeTest, EveryPassGivesTheSameBytes) {
  const Image image = MakePicture(4, {100, 64, 1});
  for (const uint32_t out_size : {1u, 3u, 50u, 100u, 173u}) {
    Taps taps;
    ComputeTaps(100, 0.75F, 99.5F, out_size, ResizeFilter::kBicubic, &taps);
    Pixels plain(size_t{out_size} * 64), fast(plain.size());
    PlainPass(taps, image.pixels.data() + taps.first() * 64, 64, 4, plain.data(), 64);
    FastestPass()(taps, image.pixels.data() + taps.first() * 64, 64, 4, fast.data(), 64);
    EXPECT_EQ(plain, fast);
  }
}

TEST(ResizeTest, HasAKnownChecksum) {
  const Image image = MakePicture(5, {61, 83, 3});
  Xxh3Stream checksum;
  for (const ResizeFilter filter : {ResizeFilter::kBilinear, ResizeFilter::kBicubic}) {
    for (const auto& [height, width] : {std::pair{32u, 32u}, std::pair{64u, 48u}, std::pair{7u, 160u}}) {
      const Pixels out = Resized(image, {3.5, 0, 80.25, 59.125}, height, width, filter);
      checksum.Update(out.data(), out.size());
    }
  }
  EXPECT_EQ(Hex(checksum.Digest()), "6f45a6dafd62c6a5dcc6da32675185a9");
}

}  // namespace
}  // namespace decant
