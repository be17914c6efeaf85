#include "decant/data/decode_image.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "unit/errors.h"
#include "unit/image_maker.h"

namespace decant {
namespace {

Image Decode(const std::string& bytes, const DecodeOptions& options = {}) {
  Image image;
  DecodeImage(bytes, "the image", options, &image);
  return image;
}

void ExpectRefused(const std::string& bytes, const std::string& text, const DecodeOptions& options = {}) {
  EXPECT_THAT([&] { Decode(bytes, options); }, FailsWith(ErrorCode::kDataLoss, "the image: " + text));
}

void ExpectNear(const Image& image, const Image& expected, int tolerance) {
  ASSERT_EQ(image.shape, expected.shape);
  int largest = 0;
  for (size_t i = 0; i < expected.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(image.pixels[i] - expected.pixels[i]));
  }
  EXPECT_LE(largest, tolerance);
}

TEST(DecodeJpegTest, GivesTheColours) {
  const Image image = MakeImage(40, 56, 3);
  const JpegOptions fine{.quality = 100};
  ExpectNear(Decode(EncodeJpeg(image, fine)), image, 60);  // colours are subsampled at the edge
  ExpectNear(Decode(EncodeJpeg(image, {.quality = 100, .progressive = true})), Decode(EncodeJpeg(image, fine)), 0);
  ExpectNear(Decode(EncodeJpeg(image, {.quality = 100, .restart_interval = 2})), Decode(EncodeJpeg(image, fine)), 0);
}

TEST(DecodeJpegTest, GreyBecomesThreeEqualChannels) {
  const Image grey = MakeImage(20, 30, 1);
  const Image image = Decode(EncodeJpeg(grey, {.quality = 100}));
  ASSERT_EQ(image.shape, (ImageShape{.height = 20, .width = 30, .channels = 3}));
  for (size_t i = 0; i < grey.pixels.size(); ++i) {
    EXPECT_NEAR(image.pixels[3 * i], grey.pixels[i], 3);
    EXPECT_EQ(image.pixels[3 * i], image.pixels[3 * i + 1]);
    EXPECT_EQ(image.pixels[3 * i], image.pixels[3 * i + 2]);
  }
  ExpectNear(Decode(EncodeJpeg(grey, {.quality = 100}), {.channels = 1}), grey, 3);
}

TEST(DecodeJpegTest, CmykIsTakenAsAdobeInvertsIt) {
  Image cmyk{.shape = {.height = 8, .width = 8, .channels = 4}, .pixels = {}};
  for (int i = 0; i < 64; ++i) cmyk.pixels.insert(cmyk.pixels.end(), {200, 100, 50, 255});
  const Image image = Decode(EncodeJpeg(cmyk, {.quality = 100}));
  ASSERT_EQ(image.shape, (ImageShape{.height = 8, .width = 8, .channels = 3}));
  EXPECT_NEAR(image.pixels[0], 200, 2);
  EXPECT_NEAR(image.pixels[1], 100, 2);
  EXPECT_NEAR(image.pixels[2], 50, 2);
}

TEST(DecodeJpegTest, MinSideHalvesWhileTheShorterSideIsLongEnough) {
  const std::string jpeg = EncodeJpeg(MakeImage(201, 400, 3));
  const auto shape = [&](uint32_t min_side) { return Decode(jpeg, {.min_side = min_side}).shape; };
  EXPECT_EQ(shape(0), (ImageShape{.height = 201, .width = 400, .channels = 3}));
  EXPECT_EQ(shape(102), (ImageShape{.height = 201, .width = 400, .channels = 3}));
  EXPECT_EQ(shape(101), (ImageShape{.height = 101, .width = 200, .channels = 3}));
  EXPECT_EQ(shape(51), (ImageShape{.height = 51, .width = 100, .channels = 3}));
  EXPECT_EQ(shape(1), (ImageShape{.height = 26, .width = 50, .channels = 3}));
}

// Where the top left corner of the encoded image belongs, and whether sides are exchanged.
struct Turn {
  unsigned orientation;
  bool right;
  bool bottom;
  bool exchanged;
};

class OrientationTest : public testing::TestWithParam<Turn> {};

TEST_P(OrientationTest, TurnsTheImageUpright) {
  const Turn turn = GetParam();
  Image black{.shape = {.height = 16, .width = 32, .channels = 1}, .pixels = std::vector<uint8_t>(16 * 32)};
  for (int y = 0; y < 8; ++y) std::fill_n(&black.pixels[y * 32], 8, uint8_t{255});
  const PngOptions png{.colour_type = PNG_COLOR_TYPE_GRAY, .exif = ExifTiff(turn.orientation)};
  for (const std::string& bytes :
       {EncodeJpeg(black, {.exif = ExifMarker(turn.orientation)}),
        EncodeJpeg(black, {.exif = ExifMarker(turn.orientation, true)}), EncodePng(16, 32, black.pixels, png)}) {
    const Image image = Decode(bytes, {.channels = 1});
    const uint32_t height = turn.exchanged ? 32 : 16;
    const uint32_t width = turn.exchanged ? 16 : 32;
    ASSERT_EQ(image.shape, (ImageShape{.height = height, .width = width, .channels = 1}));
    const auto corner = [&](bool right, bool bottom) {
      return image.pixels[(bottom ? height - 4 : 4) * width + (right ? width - 4 : 4)];
    };
    for (const bool right : {false, true}) {
      for (const bool bottom : {false, true}) {
        EXPECT_EQ(corner(right, bottom) > 128, right == turn.right && bottom == turn.bottom) << right << bottom;
      }
    }
  }
}

// EXIF 2.32, table 6: row 0 and column 0 of the stored image are at these sides of the visual one.
INSTANTIATE_TEST_SUITE_P(All, OrientationTest,
                         testing::Values(Turn{1, false, false, false}, Turn{2, true, false, false},
                                         Turn{3, true, true, false}, Turn{4, false, true, false},
                                         Turn{5, false, false, true}, Turn{6, true, false, true},
                                         Turn{7, true, true, true}, Turn{8, false, true, true}),
                         [](const auto& test) { return std::to_string(test.param.orientation); });

TEST(OrientationTest, DamagedExifIsNoOrientation) {
  const Image image = MakeImage(8, 16, 1);
  const std::string whole = ExifMarker(6);
  for (size_t size = 0; size + 4 < whole.size(); ++size) {
    const Image decoded = Decode(EncodeJpeg(image, {.exif = whole.substr(0, size)}), {.channels = 1});
    EXPECT_EQ(decoded.shape, image.shape) << size;
  }
  std::string far = whole;
  far.replace(10, 4, "\xff\xff\xff\xff");
  EXPECT_EQ(Decode(EncodeJpeg(image, {.exif = far}), {.channels = 1}).shape, image.shape);
  EXPECT_EQ(Decode(EncodeJpeg(image, {.exif = ExifMarker(9)}), {.channels = 1}).shape, image.shape);
}

TEST(DecodePngTest, GivesThePixels) {
  for (const uint32_t channels : {1u, 3u}) {
    const Image image = MakeImage(19, 23, channels);
    ExpectNear(Decode(EncodePng(image), {.channels = channels}), image, 0);
  }
}

TEST(DecodePngTest, InterlacedIsTheSame) {
  const Image image = MakeImage(19, 23, 3);
  ExpectNear(Decode(EncodePng(19, 23, image.pixels, {.interlaced = true})), image, 0);
}

TEST(DecodePngTest, AlphaIsDropped) {
  const std::vector<uint8_t> rgba = {10, 20, 30, 0, 40, 50, 60, 128};
  EXPECT_EQ(Decode(EncodePng(1, 2, rgba, {.colour_type = PNG_COLOR_TYPE_RGB_ALPHA})).pixels,
            (std::vector<uint8_t>{10, 20, 30, 40, 50, 60}));
  EXPECT_EQ(Decode(EncodePng(1, 2, {10, 0, 40, 128}, {.colour_type = PNG_COLOR_TYPE_GRAY_ALPHA})).pixels,
            (std::vector<uint8_t>{10, 10, 10, 40, 40, 40}));
}

TEST(DecodePngTest, PaletteOfEveryWidth) {
  const std::vector<png_color> palette = {{1, 2, 3}, {40, 50, 60}};
  for (const int bit_depth : {1, 2, 4, 8}) {
    // Colour 1, then colour 0.
    const std::vector<uint8_t> packed =
        bit_depth == 8 ? std::vector<uint8_t>{1, 0} : std::vector<uint8_t>{static_cast<uint8_t>(1 << (8 - bit_depth))};
    const Image image = Decode(EncodePng(
        1, 2, packed,
        {.colour_type = PNG_COLOR_TYPE_PALETTE, .bit_depth = bit_depth, .palette = palette, .transparency = {0, 99}}));
    EXPECT_EQ(image.pixels, (std::vector<uint8_t>{40, 50, 60, 1, 2, 3})) << bit_depth << " bits";
  }
}

TEST(DecodePngTest, SixteenBitsKeepTheHighByte) {
  const PngOptions grey{.colour_type = PNG_COLOR_TYPE_GRAY, .bit_depth = 16};
  EXPECT_EQ(Decode(EncodePng(1, 2, {0x12, 0xff, 0xfe, 0x80}, grey), {.channels = 1}).pixels,
            (std::vector<uint8_t>{0x12, 0xfe}));
  EXPECT_EQ(Decode(EncodePng(1, 1, {1, 200, 2, 200, 3, 200}, {.bit_depth = 16})).pixels,
            (std::vector<uint8_t>{1, 2, 3}));
}

TEST(DecodeImageTest, ColoursToGreyAreWeighted) {
  const Image image = Decode(EncodePng(1, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255}), {.channels = 1});
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{76, 150, 29}));
}

TEST(DecodeImageTest, RefusesWhatIsNoImage) {
  ExpectRefused("", "empty, expected a JPEG or PNG image");
  ExpectRefused("GIF89a, and more", "neither a JPEG nor a PNG image; it begins with the bytes 4749463839612c20");
  ExpectRefused("\xff\xd8\xff", "damaged JPEG: ");
  ExpectRefused("\x89PNG\r\n\x1a\n", "damaged PNG: the file ends too early");
  EXPECT_THAT([&] { Decode("x", {.channels = 2}); }, FailsWith(ErrorCode::kInvalidArgument, "data.channels"));
}

TEST(DecodeImageTest, RefusesALongSideBeforeItAllocates) {
  const std::string wide = EncodeJpeg(MakeImage(1, 20000, 1));
  ExpectRefused(wide, "an image of 20000 x 1 pixels; at most 16384 a side are read");
  EXPECT_EQ(Decode(wide, {.max_side = 20000}).shape.width, 20000u);
  ExpectRefused(EncodePng(MakeImage(20000, 1, 1)), "an image of 1 x 20000 pixels; at most 16384 a side are read");
}

TEST(DecodeImageTest, RefusesSizesThatTheBytesCannotHold) {
  std::string jpeg = EncodeJpeg(MakeImage(8, 8, 1));
  const size_t frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, "\x40\x00\x40\x00", 4);
  ExpectRefused(jpeg, fmt::format("{} bytes cannot hold an image of 16384 x 16384 pixels", jpeg.size()));
}

TEST(DecodeImageTest, TruncatedJpegIsNotAGreyHalf) {
  const std::string jpeg = EncodeJpeg(MakeImage(64, 64, 3));
  ExpectRefused(jpeg.substr(0, jpeg.size() / 2), "damaged JPEG: Premature end of JPEG file");
  ExpectRefused(jpeg.substr(0, jpeg.size() - 2), "damaged JPEG: Premature end of JPEG file");
  const std::string progressive = EncodeJpeg(MakeImage(64, 64, 3), {.progressive = true});
  ExpectRefused(progressive.substr(0, progressive.size() / 2), "damaged JPEG: Premature end of JPEG file");
}

TEST(DecodeImageTest, PaddingBeforeTheEndOfAJpegDoesNoHarm) {
  std::string jpeg = EncodeJpeg(MakeImage(16, 16, 3));
  const Image image = Decode(jpeg);
  jpeg.insert(jpeg.size() - 2, 3, '\0');
  ExpectNear(Decode(jpeg), image, 0);
  jpeg.insert(jpeg.size() - 2, 100, '\0');
  ExpectRefused(jpeg, "damaged JPEG: Corrupt JPEG data: 100 extraneous bytes before marker 0xd9");
}

// Damage gives an Error of data loss or an image, and ends nothing.
void DecodeOrFail(const std::string& bytes, uint64_t* num_images) {
  try {
    Decode(bytes);
    ++*num_images;
  } catch (const Error& error) {
    ASSERT_EQ(error.code(), ErrorCode::kDataLoss) << error.what();
  }
}

TEST(DamagedImageTest, EveryTruncationIsAnError) {
  for (const std::string& bytes :
       {EncodeJpeg(MakeImage(33, 47, 3)), EncodeJpeg(MakeImage(33, 47, 3), {.progressive = true}),
        EncodePng(MakeImage(33, 47, 3))}) {
    uint64_t num_images = 0;
    for (size_t size = 0; size < bytes.size(); ++size) DecodeOrFail(bytes.substr(0, size), &num_images);
    EXPECT_EQ(num_images, 0u);
  }
}

TEST(DamagedImageTest, EveryFlippedByteIsAnErrorOrAnImage) {
  const Image small = MakeImage(17, 24, 3);
  for (const std::string& bytes :
       {EncodeJpeg(small, {.exif = ExifMarker(6)}), EncodeJpeg(small, {.progressive = true}), EncodePng(small)}) {
    uint64_t num_images = 0;
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const int flip : {0x01, 0x40, 0x80, 0xff}) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        DecodeOrFail(damaged, &num_images);
      }
    }
    EXPECT_LT(num_images, 4 * bytes.size());
  }
}

}  // namespace
}  // namespace decant
