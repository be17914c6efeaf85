#include "image_ops.h"

#include <gtest/gtest.h>

#include "augment.h"
#include "blur.h"
#include "exact_math.h"
#include "unit/pictures.h"

namespace decant {
namespace {

using Pixels = std::vector<uint8_t>;

constexpr uint32_t kHalf = 1 << 15, kOne = 1 << 16, kTwice = 1 << 17;
constexpr ImageShape kShape = {12, 10, 3};

template <typename Operation>
Pixels Changed(const Image& image, Operation operation) {
  Pixels pixels = image.pixels;
  operation(Canvas{image.shape, pixels.data()});
  return pixels;
}

Pixels Augmented(const Image& image, const AugmentStep& step, const Colour& fill = {}) {
  return Changed(image, [&](const Canvas& canvas) { Augment(canvas, step, fill); });
}

Image Row(const Pixels& pixels, uint32_t channels = 1) {
  return {{1, static_cast<uint32_t>(pixels.size() / channels), channels}, pixels};
}

TEST(ImageOpsTest, FlippingMirrorsPixelsAndKeepsChannels) {
  const Image image = Row({1, 2, 3, 4, 5, 6, 7, 8, 9}, 3);
  EXPECT_EQ(Changed(image, FlipHorizontally), (Pixels{7, 8, 9, 4, 5, 6, 1, 2, 3}));
  EXPECT_EQ(Changed(Row({1, 2, 3, 4}), FlipHorizontally), (Pixels{4, 3, 2, 1}));
}

TEST(ImageOpsTest, FactorsOfOneChangeNothing) {
  const Image image = MakePicture(1, kShape);
  for (const auto operation : {ChangeBrightness, ChangeContrast, ChangeSaturation, ChangeSharpness, ScaleBrightness}) {
    EXPECT_EQ(Changed(image, [&](const Canvas& canvas) { operation(canvas, kOne); }), image.pixels);
  }
}

TEST(ImageOpsTest, BrightnessRoundsDownAndClips) {
  const Image image = Row({0, 1, 101, 200, 255});
  EXPECT_EQ(Changed(image, [](const Canvas& c) { ChangeBrightness(c, kHalf); }), (Pixels{0, 0, 50, 100, 127}));
  EXPECT_EQ(Changed(image, [](const Canvas& c) { ChangeBrightness(c, kTwice); }), (Pixels{0, 2, 202, 255, 255}));
}

TEST(ImageOpsTest, ContrastIsAboutTheMean) {
  const Image image = Row({100, 200});
  EXPECT_EQ(Changed(image, [](const Canvas& c) { ChangeContrast(c, 0); }), (Pixels{150, 150}));
  EXPECT_EQ(Changed(image, [](const Canvas& c) { ChangeContrast(c, kTwice); }), (Pixels{50, 250}));
}

TEST(ImageOpsTest, NoSaturationIsGrey) {
  const Image image = MakePicture(2, kShape);
  const Pixels grey = Changed(image, MakeGrey);
  EXPECT_NE(grey, image.pixels);
  EXPECT_EQ(Changed(image, [](const Canvas& c) { ChangeSaturation(c, 0); }), grey);
  for (size_t i = 0; i < grey.size(); i += 3) {
    EXPECT_EQ(grey[i], grey[i + 1]);
    EXPECT_EQ(grey[i], grey[i + 2]);
  }
  EXPECT_EQ(Changed(Row({255, 0, 0}, 3), MakeGrey), (Pixels{76, 76, 76}));
}

TEST(ImageOpsTest, SharpnessSmoothsOrSharpensInsideTheBorder) {
  const Image image{{3, 3, 1}, {0, 0, 0, 0, 130, 0, 0, 0, 0}};
  EXPECT_EQ(Changed(image, [](const Canvas& c) { ChangeSharpness(c, 0); }), (Pixels{0, 0, 0, 0, 50, 0, 0, 0, 0}));
  EXPECT_EQ(Changed(image, [](const Canvas& c) { ChangeSharpness(c, kTwice); }), (Pixels{0, 0, 0, 0, 210, 0, 0, 0, 0}));
}

TEST(ImageOpsTest, AThirdOfATurnOfHueMovesTheChannels) {
  const Image image = Row({200, 20, 20}, 3);
  EXPECT_EQ(Changed(image, [](const Canvas& c) { TurnHue(c, 85); }), (Pixels{20, 200, 20}));
  EXPECT_EQ(Changed(image, [](const Canvas& c) { TurnHue(c, -85); }), (Pixels{25, 20, 200}));
  const Image grey = Row({9, 90, 200});
  EXPECT_EQ(Changed(grey, [](const Canvas& c) { TurnHue(c, 85); }), grey.pixels) << "one channel has no hue";
}

TEST(ImageOpsTest, PosterizeKeepsHighBits) {
  EXPECT_EQ(Changed(Row({255, 127, 64, 3}), [](const Canvas& c) { Posterize(c, 2); }), (Pixels{192, 64, 64, 0}));
  EXPECT_EQ(Changed(Row({255, 127, 64, 3}), [](const Canvas& c) { Posterize(c, 8); }), (Pixels{255, 127, 64, 3}));
}

TEST(ImageOpsTest, SolarizeInvertsFromTheThreshold) {
  EXPECT_EQ(Changed(Row({0, 99, 100, 255}), [](const Canvas& c) { Solarize(c, 100); }), (Pixels{0, 99, 155, 0}));
}

TEST(ImageOpsTest, AutoContrastFillsTheRangeOfEachChannel) {
  EXPECT_EQ(Changed(Row({0, 51, 102}), AutoContrast), (Pixels{0, 127, 255}));
  EXPECT_EQ(Changed(Row({7, 7, 7}), AutoContrast), (Pixels{7, 7, 7}));
}

TEST(ImageOpsTest, EqualizeSpreadsValuesEvenly) {
  Pixels dark;
  for (int i = 0; i < 10240; ++i) dark.push_back(static_cast<uint8_t>(i / 160));  // 64 values, 160 times each
  const Pixels even = Changed(Row(dark), Equalize);
  EXPECT_EQ(even.front(), 0);
  EXPECT_EQ(even.back(), 255);
  EXPECT_NEAR(even[5120], 128, 8);
}

TEST(ImageOpsTest, BlurKeepsOneColourAndTheMean) {
  const Image plain{{9, 9, 3}, Pixels(243, 100)};
  EXPECT_EQ(Changed(plain, [](const Canvas& c) { GaussianBlur(c, 3 * kOne); }), plain.pixels);
  Image spot{{41, 41, 1}, Pixels(41 * 41)};
  spot.pixels[20 * 41 + 20] = 255;
  spot.pixels[20 * 41 + 21] = 255;
  const Pixels blurred = Changed(spot, [](const Canvas& c) { GaussianBlur(c, kOne); });
  // A Gaussian of sigma 1 leaves 1 / (2 pi) of a spot in its middle, and e^-0.5 of that of its neighbour.
  EXPECT_NEAR(blurred[20 * 41 + 20], 255 * 0.159 * 1.607, 3);
  EXPECT_EQ(blurred[20 * 41 + 30], 0);
}

TEST(ImageOpsTest, FillingABoxTouchesItsPixelsOnly) {
  const Image image = MakePicture(3, {8, 8, 3});
  const RelativeBox box = {1 << 22, 1 << 23, 1 << 22, 1 << 23};  // a quarter to a half, a half to the end
  const Pixels filled = Changed(image, [&](const Canvas& canvas) { FillBox(canvas, box, {1, 2, 3}); });
  for (uint32_t y = 0; y < 8; ++y) {
    for (uint32_t x = 0; x < 8; ++x) {
      for (uint32_t c = 0; c < 3; ++c) {
        const size_t i = (y * 8 + x) * 3 + c;
        EXPECT_EQ(filled[i], x >= 2 && x < 4 && y >= 4 ? c + 1 : image.pixels[i]);
      }
    }
  }
}

TEST(AugmentTest, EveryOperationChangesAPictureAndMagnitude0LeavesItAlone) {
  const Image image = MakePicture(4, {32, 40, 3});
  for (uint32_t i = 0; i < kNumAugmentOps; ++i) {
    const auto op = static_cast<AugmentOp>(i);
    const bool same = op == AugmentOp::kIdentity;
    EXPECT_EQ(Augmented(image, {op, 20, false}) == image.pixels, same) << AugmentOpName(op);
    if (op == AugmentOp::kAutoContrast || op == AugmentOp::kEqualize || op == AugmentOp::kSolarize) continue;
    EXPECT_EQ(Augmented(image, {op, 0, false}), image.pixels) << AugmentOpName(op);
  }
}

TEST(AugmentTest, SignsTurnWhatHasADirection) {
  const Image image = MakePicture(5, {32, 40, 3});
  for (uint32_t i = 0; i < kNumAugmentOps; ++i) {
    const auto op = static_cast<AugmentOp>(i);
    const bool has_sign = op >= AugmentOp::kShearX && op <= AugmentOp::kSharpness;
    EXPECT_EQ(Augmented(image, {op, 12, false}) != Augmented(image, {op, 12, true}), has_sign) << AugmentOpName(op);
  }
}

TEST(AugmentTest, PaintsWhatComesFromOutside) {
  const Image image{{10, 331, 3}, Pixels(9930, 50)};
  const Pixels moved = Augmented(image, {AugmentOp::kTranslateX, 30, false}, {1, 2, 3});  // by 150 pixels
  EXPECT_EQ(moved[149 * 3 + 1], 2);
  EXPECT_EQ(moved[150 * 3 + 1], 50);
}

TEST(ExactMathTest, AgreesWithTheMathLibrary) {
  for (double x = -5; x <= 5; x += 0.0137) {
    EXPECT_NEAR(ExactExp(x) / std::exp(x), 1, 1e-12);
    EXPECT_NEAR(ExactLog(std::exp(x)), x, 1e-13);
    EXPECT_NEAR(ExactSin(x / 5), std::sin(x / 5), 1e-15);
    EXPECT_NEAR(ExactCos(x / 5), std::cos(x / 5), 1e-15);
  }
  EXPECT_EQ(ExactLog(1), 0);
  EXPECT_EQ(ExactExp(0), 1);
}

}  // namespace
}  // namespace decant
