// What views draw for each operation, and how they apply it.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "decant/base/hash.h"
#include "decant/data/view_renderer.h"

#include "image_ops.h"
#include "resize.h"
#include "unit/errors.h"
#include "unit/pictures.h"

namespace decant {
namespace {

using Pixels = std::vector<uint8_t>;

constexpr double kOne = RelativeBox::kOne;
constexpr int kNumDraws = 20000;
constexpr ImageShape kPhoto = {384, 512, 3};

// Within 6 standard deviations of a share of kNumDraws.
void ExpectShare(int count, double share) {
  EXPECT_NEAR(count, share * kNumDraws, 6 * std::sqrt(share * (1 - share) * kNumDraws)) << "share " << share;
}

template <typename Visit>
void ForEachView(const ViewSpec& spec, Visit visit) {
  for (uint64_t sample = 0; sample < kNumDraws; ++sample) visit(DrawView(spec, 11, 2, sample));
}

TEST(CropTest, RandomBoxesKeepToTheirRanges) {
  const ViewSpec spec = {.crop = "random", .scale_min = 0.1, .scale_max = 0.5, .ratio_min = 0.5, .ratio_max = 1.5};
  double smallest = 1, largest = 0, narrowest = 9, widest = 0;
  for (uint64_t sample = 0; sample < kNumDraws; ++sample) {
    const RelativeBox box = DrawCrop(spec, 1, 0, sample, kPhoto, {224, 224, 3});
    ASSERT_LE(box.left + box.width, RelativeBox::kOne);
    ASSERT_LE(box.top + box.height, RelativeBox::kOne);
    const double area = box.width / kOne * (box.height / kOne);
    const double ratio = box.width * 512.0 / (box.height * 384.0);
    smallest = std::min(smallest, area), largest = std::max(largest, area);
    narrowest = std::min(narrowest, ratio), widest = std::max(widest, ratio);
  }
  EXPECT_NEAR(smallest, 0.1, 0.001);
  EXPECT_NEAR(largest, 0.5, 0.001);
  EXPECT_NEAR(narrowest, 0.5, 0.001);
  EXPECT_NEAR(widest, 1.5, 0.001);
}

TEST(CropTest, RandomBoxesOfOneSizeAreEverywhere) {
  const ViewSpec spec = {.crop = "random", .scale_min = 0.25, .scale_max = 0.25, .ratio_min = 1, .ratio_max = 1};
  int left_half = 0, upper_half = 0;
  for (uint64_t sample = 0; sample < kNumDraws; ++sample) {
    const RelativeBox box = DrawCrop(spec, 1, 0, sample, {100, 100, 3}, {});
    EXPECT_EQ(box.width, RelativeBox::kOne / 2);
    left_half += box.left < RelativeBox::kOne / 4;
    upper_half += box.top < RelativeBox::kOne / 4;
  }
  ExpectShare(left_half, 0.5);
  ExpectShare(upper_half, 0.5);
}

TEST(CropTest, FallsBackToTheMiddleOfImagesThatAreTooLong) {
  const ViewSpec spec = {.crop = "random", .scale_min = 1, .scale_max = 1};
  const RelativeBox wide = DrawCrop(spec, 1, 0, 0, {100, 400, 3}, {});
  EXPECT_EQ(wide.height, RelativeBox::kOne);
  EXPECT_NEAR(wide.width / kOne, 1.0 / 3, 1e-7);
  EXPECT_NEAR(wide.left / kOne, 1.0 / 3, 1e-7);
  const RelativeBox tall = DrawCrop(spec, 1, 0, 0, {400, 100, 3}, {});
  EXPECT_EQ(tall.width, RelativeBox::kOne);
  EXPECT_NEAR(tall.height / kOne, 1.0 / 3, 1e-7);
}

TEST(CropTest, CenterKeepsTheLargestBoxOfTheViewsProportions) {
  const ViewSpec spec = {.crop = "center", .crop_share = 0.75};
  const RelativeBox square = DrawCrop(spec, 1, 0, 0, kPhoto, {224, 224, 3});
  EXPECT_EQ(square.height, 0.75 * kOne);
  EXPECT_EQ(square.width, 0.75 * 0.75 * kOne);
  EXPECT_EQ(square.top, 0.125 * kOne);
  EXPECT_EQ(DrawCrop({.size = {32, 64}, .crop = "center", .crop_share = 1}, 1, 0, 0, kPhoto, {224, 224, 3}).width, kOne)
      << "the teacher's proportions go before the renderer's";
}

TEST(CropTest, EverySizeOfAnImageHasTheSameBox) {
  const ViewSpec spec = {.crop = "random"};
  for (uint64_t sample = 0; sample < 100; ++sample) {
    EXPECT_EQ(DrawCrop(spec, 1, 0, sample, kPhoto, {224, 224, 3}), DrawCrop(spec, 1, 0, sample, {192, 256, 3}, {}));
  }
}

TEST(DrawOperationsTest, ProbabilitiesAreWhatWasAsked) {
  const ViewSpec spec = {.flip = 0.5, .grey = 0.2, .blur = 0.3, .erase = 0.25};
  int flipped = 0, grey = 0, blurred = 0, erased = 0;
  ForEachView(spec, [&](const ViewParams& view) {
    flipped += view.flip;
    grey += view.grey;
    blurred += view.blur_sigma > 0;
    erased += !view.erase_box.empty();
  });
  ExpectShare(flipped, 0.5);
  ExpectShare(grey, 0.2);
  ExpectShare(blurred, 0.3);
  ExpectShare(erased, 0.25);
}

TEST(DrawOperationsTest, RandAugmentTakesEveryOperationAndSignEquallyOften) {
  std::map<std::pair<AugmentOp, bool>, int> counts;
  ForEachView({.rand_augment_ops = 2, .rand_augment_magnitude = 7}, [&](const ViewParams& view) {
    ASSERT_EQ(view.augment.size(), 2u);
    for (const AugmentStep& step : view.augment) {
      EXPECT_EQ(step.magnitude, 7);
      ++counts[{step.op, step.negative}];
    }
  });
  EXPECT_EQ(counts.size(), 2 * kNumAugmentOps);
  for (const auto& [step, count] : counts) EXPECT_NEAR(count, 40000 / 28.0, 6 * std::sqrt(40000 / 28.0));
}

TEST(DrawOperationsTest, JitterFillsItsRangesInEveryOrder) {
  std::map<std::array<uint8_t, 4>, int> orders;
  uint32_t darkest = 1 << 20, brightest = 0;
  int32_t low = 999, high = -999;
  ForEachView({.jitter_brightness = 0.4, .jitter_hue = 0.1}, [&](const ViewParams& view) {
    ++orders[view.jitter_order];
    darkest = std::min(darkest, view.jitter_brightness), brightest = std::max(brightest, view.jitter_brightness);
    low = std::min(low, view.jitter_hue), high = std::max(high, view.jitter_hue);
    EXPECT_EQ(view.jitter_contrast, 1u << 16);
  });
  EXPECT_EQ(orders.size(), 24u);
  for (const auto& [order, count] : orders) ExpectShare(count, 1.0 / 24);
  EXPECT_NEAR(darkest / 65536.0, 0.6, 0.001);
  EXPECT_NEAR(brightest / 65536.0, 1.4, 0.001);
  EXPECT_EQ(low, -25);
  EXPECT_EQ(high, 25);
}

TEST(DrawOperationsTest, ErasedBoxesKeepToTheirRanges) {
  const ViewSpec spec = {
      .erase = 1, .erase_scale_min = 0.1, .erase_scale_max = 0.2, .erase_ratio_min = 0.5, .erase_ratio_max = 2};
  ForEachView(spec, [&](const ViewParams& view) {
    const double height = view.erase_box.height / kOne, width = view.erase_box.width / kOne;
    ASSERT_GT(height * width, 0.0999);
    ASSERT_LT(height * width, 0.2001);
    ASSERT_GT(height / width, 0.4999);
    ASSERT_LT(height / width, 2.0001);
  });
}

TEST(DrawOperationsTest, OneOperationDoesNotMoveTheOthers) {
  const ViewSpec some = {.crop = "random", .flip = 0.5, .shift = 0.1, .jitter_hue = 0.2, .erase = 0.5, .cutmix = 0.5};
  ViewSpec more = some;
  more.grey = 0.5, more.blur = 0.5, more.rand_augment_ops = 3, more.brightness = 0.5, more.scale_min = 0.5;
  for (uint64_t sample = 0; sample < 200; ++sample) {
    const ViewParams a = DrawView(some, 4, 0, sample);
    ViewParams b = DrawView(more, 4, 0, sample);
    b.grey = false, b.blur_sigma = 0, b.augment.clear(), b.brightness = 1 << 16;
    EXPECT_EQ(a, b);
  }
}

TEST(DrawOperationsTest, MixupAndCutmixShareOneDraw) {
  int mixups = 0, cutmixes = 0;
  ForEachView({.mixup = 0.3, .cutmix = 0.4}, [&](const ViewParams& view) {
    mixups += view.mixed && !view.cutmix;
    cutmixes += view.mixed && view.cutmix;
  });
  ExpectShare(mixups, 0.3);
  ExpectShare(cutmixes, 0.4);
}

TEST(DrawOperationsTest, CutmixLeavesMixupAlone) {
  const ViewSpec mixup = {.mixup = 0.3, .mixup_alpha = 0.4}, both = {.mixup = 0.3, .mixup_alpha = 0.4, .cutmix = 0.7};
  for (uint64_t sample = 0; sample < 500; ++sample) {
    const ViewParams a = DrawView(mixup, 4, 0, sample), b = DrawView(both, 4, 0, sample);
    EXPECT_NE(a.mixed, b.cutmix) << "all the others are cutmix";
    EXPECT_EQ(a.mixed, b.mixed && !b.cutmix);
    if (a.mixed) {
      EXPECT_EQ(a.own_share, b.own_share);
    }
  }
}

TEST(DrawOperationsTest, OwnShareOfCutmixIsTheAreaOutsideTheBox) {
  double mean = 0;
  ForEachView({.cutmix = 1}, [&](const ViewParams& view) {
    const RelativeBox& box = view.cut_box;
    ASSERT_LE(box.left + box.width, RelativeBox::kOne);
    ASSERT_LE(box.top + box.height, RelativeBox::kOne);
    ASSERT_NEAR(view.own_share / 65536.0, 1 - box.width / kOne * (box.height / kOne), 0.51 / 65536);
    mean += view.own_share / 65536.0;
  });
  // A box of side s around a place anywhere keeps s - s^2 / 4 along each axis on average; s^2 is uniform.
  double expected = 0;
  for (int i = 0; i < 1000; ++i) expected += std::pow(std::sqrt((i + 0.5) / 1000) - (i + 0.5) / 4000, 2) / 1000;
  EXPECT_NEAR(mean / kNumDraws, 1 - expected, 6 * 0.3 / std::sqrt(kNumDraws));
}

// Rows of docs/randomness.md.
TEST(DrawOperationsTest, GivesKnownAnswers) {
  EXPECT_EQ(DrawCrop({.crop = "random"}, 42, 7, 1234567, {375, 500, 3}, {224, 224, 3}),
            (RelativeBox{958430, 631852, 14475213, 16090465}));
  const ViewSpec photo = {.flip = 0.5,
                          .rand_augment_ops = 2,
                          .rand_augment_magnitude = 12,
                          .jitter_brightness = 0.4,
                          .jitter_contrast = 0.4,
                          .jitter_saturation = 0.2,
                          .jitter_hue = 0.1,
                          .grey = 0.2,
                          .blur = 0.5,
                          .erase = 0.5};
  const ViewParams view = DrawView(photo, 2024, 0, 0);
  EXPECT_EQ(view.flip, false);
  EXPECT_EQ(view.augment,
            (std::vector<AugmentStep>{{AugmentOp::kPosterize, 12, true}, {AugmentOp::kBrightness, 12, true}}));
  EXPECT_EQ(view.jitter_order, (std::array<uint8_t, 4>{1, 0, 3, 2}));
  EXPECT_EQ(view.jitter_brightness, 66519u);
  EXPECT_EQ(view.jitter_contrast, 66313u);
  EXPECT_EQ(view.jitter_saturation, 57164u);
  EXPECT_EQ(view.jitter_hue, -22);
  EXPECT_EQ(view.grey, false);
  EXPECT_EQ(view.blur_sigma, 66277u);
  EXPECT_EQ(view.erase_box, (RelativeBox{9722260, 8151110, 4560513, 7091999}));
  const Mixing mixing = DrawMixing({.mixup = 0.3, .mixup_alpha = 0.8, .cutmix = 0.5}, 2024, 0, 1);
  EXPECT_EQ(mixing.cutmix, true);
  EXPECT_EQ(mixing.own_share, 44926u);
  EXPECT_EQ(mixing.cut_box, (RelativeBox{5045120, 9232041, 11732096, 7545175}));
}

class ViewOperationsTest : public testing::Test {
 protected:
  Pixels Render(const ViewSpec& spec, const ImageShape& shape, uint64_t position = 0,
                const PictureSource* source = nullptr) {
    const ViewRenderer renderer(source ? *source : source_, spec, OrderKind::kDataset, 6, shape);
    Pixels pixels(shape.num_bytes());
    renderer.Render(renderer.ViewAt(renderer.OrderOf(0), 0, position), 0, pixels.data());
    return pixels;
  }
  const PictureSource source_{10, {{96, 128, 3}, {100, 60, 3}}};
};

TEST_F(ViewOperationsTest, CropsAndScalesAsResizeDoes) {
  for (const std::string crop : {"squash", "center", "random"}) {
    const ViewSpec spec = {.crop = crop, .interpolation = "bilinear"};
    const Image image = MakePicture(1, source_.ShapeOf(1));
    const RelativeBox box = DrawCrop(spec, 6, 0, 1, image.shape, {32, 48, 3});
    const auto pixels = [](uint32_t share, uint32_t size) { return static_cast<float>(share / kOne * size); };
    Pixels expected(32 * 48 * 3);
    Resize(image.shape, image.pixels.data(),
           {pixels(box.left, 60), pixels(box.top, 100), pixels(box.left + box.width, 60),
            pixels(box.top + box.height, 100)},
           ResizeFilter::kBilinear, 32, 48, expected.data());
    EXPECT_EQ(Render(spec, {32, 48, 3}, 1), expected) << crop;
  }
}

TEST_F(ViewOperationsTest, AppliesOperationsInTheirOrder) {
  const ViewSpec squash = {.crop = "squash"};
  ViewSpec spec = squash;
  spec.flip = 1, spec.jitter_contrast = 0.5, spec.grey = 1, spec.erase = 1, spec.brightness = 0.5,
  spec.fill = {9, 8, 7};
  const ImageShape shape = {32, 32, 3};
  Pixels expected = Render(squash, shape);
  const Canvas canvas = {shape, expected.data()};
  const ViewParams view = DrawView(spec, 6, 0, 0);
  FlipHorizontally(canvas);
  ChangeContrast(canvas, view.jitter_contrast);
  MakeGrey(canvas);
  FillBox(canvas, view.erase_box, {9, 8, 7});
  ScaleBrightness(canvas, view.brightness);
  EXPECT_EQ(Render(spec, shape), expected);
}

TEST_F(ViewOperationsTest, AnotherSizeShowsTheSameView) {
  const ViewSpec spec = {.crop = "random",
                         .flip = 0.5,
                         .shift = 0.1,
                         .rotate = 10,
                         .zoom = 0.2,
                         .jitter_brightness = 0.3,
                         .jitter_contrast = 0.3,
                         .jitter_hue = 0.1,
                         .erase = 1,
                         .mixup = 0.5,
                         .cutmix = 0.5};
  for (uint64_t position = 0; position < 10; ++position) {
    const Pixels large = Render(spec, {96, 96, 3}, position), small = Render(spec, {48, 48, 3}, position);
    Pixels scaled(small.size());
    Resize({96, 96, 3}, large.data(), {0, 0, 96, 96}, ResizeFilter::kBilinear, 48, 48, scaled.data());
    double gap = 0;
    for (size_t i = 0; i < small.size(); ++i) gap += std::abs(small[i] - scaled[i]);
    EXPECT_LT(gap / static_cast<double>(small.size()), 6) << "position " << position;
    const Pixels other = Render(spec, {48, 48, 3}, (position + 2) % 10);
    double other_gap = 0;
    for (size_t i = 0; i < small.size(); ++i) other_gap += std::abs(small[i] - other[i]);
    EXPECT_GT(other_gap, 4 * gap);
  }
}

TEST_F(ViewOperationsTest, CutmixPastesThePartnersView) {
  const ViewSpec spec = {.crop = "squash", .flip = 0.5, .cutmix = 1};
  const ViewSpec unmixed = {.crop = "squash", .flip = 0.5};
  const ImageShape shape = {20, 30, 3};
  for (uint64_t position = 0; position < 10; ++position) {
    const Pixels own = Render(unmixed, shape, position), partner = Render(unmixed, shape, position ^ 1);
    const Pixels mixed = Render(spec, shape, position);
    const PixelBox box = PixelsOf(DrawView(spec, 6, 0, position).cut_box, 20, 30);
    for (uint32_t i = 0; i < mixed.size(); ++i) {
      const uint32_t x = i / 3 % 30, y = i / 90;
      const bool inside = x >= box.left && x < box.right && y >= box.top && y < box.bottom;
      ASSERT_EQ(mixed[i], (inside ? partner : own)[i]) << "at " << y << ", " << x;
    }
  }
}

TEST_F(ViewOperationsTest, FillColoursWhatComesFromOutside) {
  const ViewSpec spec = {.crop = "squash", .zoom = 0.9, .fill = {10, 20, 30}};
  uint64_t position = 0;
  while (DrawView(spec, 6, 0, position).scale > 0.9) ++position;
  const Pixels pixels = Render(spec, {32, 32, 3}, position);
  EXPECT_EQ(Pixels(pixels.begin(), pixels.begin() + 3), (Pixels{10, 20, 30}));
}

TEST_F(ViewOperationsTest, RefusesImagesOfAnotherShape) {
  EXPECT_THAT(
      [&] {
        Render({}, {32, 32, 3});
      },
      FailsWith(ErrorCode::kInvalidArgument, "sample 0: an image of 96 x 128 x 3"));
  EXPECT_THAT(
      [&] {
        Render({.crop = "squash"}, {32, 32, 1});
      },
      FailsWith(ErrorCode::kInvalidArgument, "expected 32 x 32 x 1"));
  const ViewRenderer renderer(source_, {.crop = "squash"}, OrderKind::kDataset, 6, {8, 8, 3});
  Pixels pixels(192);
  const Image empty = {{0, 0, 3}, {}}, cut = {{9, 9, 3}, Pixels(3)};
  EXPECT_THAT([&] { renderer.Render({}, 0, empty, empty, pixels.data()); },
              FailsWith(ErrorCode::kInvalidArgument, "sample 0"));
  EXPECT_THAT([&] { renderer.Render({}, 0, cut, cut, pixels.data()); },
              FailsWith(ErrorCode::kInvalidArgument, "with 3 bytes"));
}

TEST_F(ViewOperationsTest, RefusesAnotherSizeForOperationsThatCountPixels) {
  const auto make = [&](ViewSpec spec, uint32_t size) {
    spec.crop = "squash";
    spec.size = {32, 32};
    ViewRenderer(source_, spec, OrderKind::kDataset, 6, {size, size, 3});
  };
  make({.flip = 0.5, .jitter_contrast = 0.5, .erase = 0.5}, 16);
  make({.rand_augment_ops = 2, .blur = 0.5}, 32);
  make({.rand_augment_ops = 2, .rand_augment_magnitude = 0}, 16);
  EXPECT_THAT([&] { make({.blur = 0.5}, 16); },
              FailsWith(ErrorCode::kInvalidArgument, "views of 16 x 16 are asked for, but the teacher saw 32 x 32"));
  EXPECT_THAT([&] { make({.rand_augment_ops = 2, .blur = 0.5}, 16); },
              FailsWith(ErrorCode::kInvalidArgument, "rand_augment (its sharpness), blur"));
}

TEST_F(ViewOperationsTest, RefusesShapesAndColoursThatItCannotMake) {
  EXPECT_THAT(
      [&] {
        Render({.crop = "squash"}, {0, 32, 3});
      },
      FailsWith(ErrorCode::kInvalidArgument, "views of 0 x 32 x 3"));
  EXPECT_THAT([&] { Render({.crop = "squash"}, {20000, 32, 3}); }, FailsWith(ErrorCode::kInvalidArgument, "16384"));
  const PictureSource four(1, {{8, 8, 4}});
  EXPECT_THAT(
      [&] {
        Render({.grey = 0.1}, {8, 8, 4}, 0, &four);
      },
      FailsWith(ErrorCode::kInvalidArgument, "1 or 3 channels"));
  EXPECT_EQ(Render({.flip = 1}, {8, 8, 4}, 0, &four).size(), 256u);
}

// Everything at once.
TEST_F(ViewOperationsTest, PixelsHaveAKnownChecksum) {
  const ViewSpec spec = {.crop = "random",
                         .flip = 0.5,
                         .shift = 0.05,
                         .rotate = 5,
                         .rand_augment_ops = 2,
                         .rand_augment_magnitude = 12,
                         .jitter_brightness = 0.4,
                         .jitter_contrast = 0.4,
                         .jitter_saturation = 0.4,
                         .jitter_hue = 0.1,
                         .grey = 0.2,
                         .blur = 0.5,
                         .erase = 0.5,
                         .mixup = 0.4,
                         .cutmix = 0.4,
                         .fill = {124, 116, 104}};
  const ViewRenderer renderer(source_, spec, OrderKind::kGlobal, 2024, {40, 32, 3});
  Xxh3Stream checksum;
  Pixels pixels(renderer.shape().num_bytes());
  for (uint32_t epoch = 0; epoch < 3; ++epoch) {
    const Order order = renderer.OrderOf(epoch);
    for (uint64_t position = 0; position < 10; ++position) {
      const uint16_t fingerprint = renderer.Render(renderer.ViewAt(order, epoch, position), epoch, pixels.data());
      checksum.Update(pixels.data(), pixels.size());
      checksum.Update(&fingerprint, sizeof(fingerprint));
    }
  }
  EXPECT_EQ(Hex(checksum.Digest()), "7a745a95f1bb1e2a3f9a52940e0b845e");
}

}  // namespace
}  // namespace decant
