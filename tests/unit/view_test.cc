#include "decant/data/view.h"

#include <cmath>
#include <functional>
#include <numbers>

#include <gtest/gtest.h>

#include "unit/errors.h"

namespace decant {
namespace {

const ViewSpec kSpec = {
    .shift = 0.125, .rotate = 30, .shear = 0.25, .zoom = 0.5, .brightness = 0.75, .mixup = 0.5, .mixup_alpha = 1};

// Smallest and largest of what `value` gives over many views.
struct Extent {
  double low = 1e9, high = -1e9;
};
Extent ExtentOf(const ViewSpec& spec, const std::function<double(const ViewParams&)>& value) {
  Extent extent;
  for (uint64_t sample = 0; sample < 5000; ++sample) {
    const double x = value(DrawView(spec, 3, 1, sample));
    extent.low = std::min(extent.low, x);
    extent.high = std::max(extent.high, x);
  }
  return extent;
}

// The values fill [low, high] up to a hundredth of its width at each end.
void ExpectFills(const Extent& extent, double low, double high) {
  EXPECT_GE(extent.low, low);
  EXPECT_LE(extent.high, high);
  EXPECT_LT(extent.low, low + (high - low) / 100);
  EXPECT_GT(extent.high, high - (high - low) / 100);
}

TEST(DrawViewTest, FillsItsRangesAndStaysInside) {
  ExpectFills(ExtentOf(kSpec, [](const ViewParams& p) { return p.shift_x; }), -0.125, 0.125);
  ExpectFills(ExtentOf(kSpec, [](const ViewParams& p) { return p.shift_y; }), -0.125, 0.125);
  ExpectFills(ExtentOf(kSpec, [](const ViewParams& p) { return p.shear; }), -0.25, 0.25);
  ExpectFills(ExtentOf(kSpec, [](const ViewParams& p) { return p.scale; }), 0.5, 1.5);
  ExpectFills(ExtentOf(kSpec, [](const ViewParams& p) { return p.brightness / 65536.0; }), 0.25, 1.75);
  const double half_tan = std::tan(15 * std::numbers::pi / 180);
  ExpectFills(ExtentOf(kSpec, [](const ViewParams& p) { return p.half_tan; }), -half_tan, half_tan);
}

TEST(DrawViewTest, RangesOfZeroDoNothing) {
  for (uint64_t sample = 0; sample < 100; ++sample) {
    EXPECT_EQ(DrawView(ViewSpec(), 3, 1, sample), ViewParams());
  }
}

TEST(DrawViewTest, IsAPureFunctionOfItsArguments) {
  const ViewParams view = DrawView(kSpec, 1, 2, 3);
  DrawView(kSpec, 9, 9, 9);
  EXPECT_EQ(DrawView(kSpec, 1, 2, 3), view);
  EXPECT_NE(DrawView(kSpec, 2, 2, 3), view);
  EXPECT_NE(DrawView(kSpec, 1, 3, 3), view);
  EXPECT_NE(DrawView(kSpec, 1, 2, 4), view);
}

TEST(DrawViewTest, OneRangeDoesNotMoveTheOthers) {
  ViewSpec wider = kSpec;
  wider.shift = 1;
  const ViewParams view = DrawView(kSpec, 1, 2, 3), other = DrawView(wider, 1, 2, 3);
  EXPECT_NE(view.shift_x, other.shift_x);
  EXPECT_EQ(view.half_tan, other.half_tan);
  EXPECT_EQ(view.scale, other.scale);
  EXPECT_EQ(view.brightness, other.brightness);
  EXPECT_EQ(view.mixed, other.mixed);
}

// Share of mixed views and mean of the own share: within 6 standard deviations of 20,000 draws.
TEST(DrawViewTest, MixesTheShareThatWasAsked) {
  constexpr int kNumDraws = 20000;
  for (const double mixup : {0.0, 0.3, 1.0}) {
    const ViewSpec spec = {.mixup = mixup, .mixup_alpha = 0.4};
    int num_mixed = 0;
    double own_share = 0;
    for (int sample = 0; sample < kNumDraws; ++sample) {
      const ViewParams view = DrawView(spec, 8, 0, static_cast<uint64_t>(sample));
      ASSERT_LE(view.own_share, 65536u);
      if (!view.mixed) {
        EXPECT_EQ(view.own_share, 65536u);
        continue;
      }
      ++num_mixed;
      own_share += view.own_share / 65536.0;
    }
    const double sigma = std::sqrt(mixup * (1 - mixup) / kNumDraws);
    EXPECT_NEAR(num_mixed / double{kNumDraws}, mixup, 6 * sigma);
    if (num_mixed > 0) {
      EXPECT_NEAR(own_share / num_mixed, 0.5, 6 * 0.5 / std::sqrt(num_mixed));
    }
  }
}

TEST(DrawViewTest, GivesKnownAnswers) {
  ViewSpec spec = kSpec;
  spec.mixup = 1;
  const ViewParams view = DrawView(spec, 42, 7, 1234567);
  EXPECT_EQ(view.shift_x, -0x1.d524bp-5);
  EXPECT_EQ(view.shift_y, -0x1.9fa75p-5);
  EXPECT_DOUBLE_EQ(view.half_tan, -0.0018722822564065655);
  EXPECT_EQ(view.shear, 0x1.ec5eap-5);
  EXPECT_EQ(view.scale, 0x1.4c6e43p+0);
  EXPECT_EQ(view.brightness, 38713u);
  EXPECT_EQ(view.mixed, true);
  EXPECT_EQ(view.own_share, 16007u);
}

TEST(ViewSpecTest, AcceptsItsBounds) {
  ViewSpec().Validate();
  kSpec.Validate();
  ViewSpec{.shift = 1, .rotate = 90, .shear = 1, .zoom = 0.9, .brightness = 1, .mixup = 1, .mixup_alpha = 1}.Validate();
  ViewSpec{.mixup_alpha = 0.05, .cutmix = 1, .cutmix_alpha = 0.05}.Validate();
  ViewSpec{.size = {16384, 1}, .crop = "random", .scale_min = 1, .ratio_min = 1, .ratio_max = 1, .flip = 1}.Validate();
  ViewSpec{.rand_augment_ops = 8, .rand_augment_magnitude = 30, .jitter_hue = 0.5, .fill = {255, 0, 255}}.Validate();
}

TEST(ViewSpecTest, NamesTheKeyThatIsOutOfBounds) {
  const auto expect_refused = [](const ViewSpec& spec, const std::string& key) {
    EXPECT_THAT([&] { spec.Validate(); }, FailsWith(ErrorCode::kInvalidArgument, "views." + key));
  };
  expect_refused({.shift = 1.01}, "shift is 1.01");
  expect_refused({.shift = -0.01}, "shift");
  expect_refused({.rotate = 90.5}, "rotate");
  expect_refused({.shear = 1.5}, "shear");
  expect_refused({.zoom = 0.95}, "zoom");
  expect_refused({.brightness = 1.5}, "brightness");
  expect_refused({.mixup = 1.5}, "mixup is");
  expect_refused({.mixup_alpha = 0}, "mixup_alpha");
  expect_refused({.mixup_alpha = 11}, "mixup_alpha");
  expect_refused({.rotate = std::nan("")}, "rotate is nan");
  expect_refused({.size = {16385, 1}}, "size is 16385");
  expect_refused({.size = {0, 224}}, "size is 0 x 224; give both");
  expect_refused({.crop = "centre"}, "crop is 'centre', but must be one of 'none', 'squash', 'center', 'random'");
  expect_refused({.crop_share = 0}, "crop_share");
  expect_refused({.scale_min = 0}, "scale_min");
  expect_refused({.scale_min = 0.5, .scale_max = 0.4}, "scale_min is 0.5, above views.scale_max, 0.4");
  expect_refused({.ratio_max = 101}, "ratio_max");
  expect_refused({.interpolation = "nearest"}, "interpolation is 'nearest'");
  expect_refused({.flip = 1.1}, "flip");
  expect_refused({.rand_augment_ops = 9}, "rand_augment_ops");
  expect_refused({.rand_augment_magnitude = 31}, "rand_augment_magnitude");
  expect_refused({.jitter_brightness = 1.1}, "jitter_brightness");
  expect_refused({.jitter_contrast = 1.1}, "jitter_contrast");
  expect_refused({.jitter_saturation = 1.1}, "jitter_saturation");
  expect_refused({.jitter_hue = 0.6}, "jitter_hue");
  expect_refused({.grey = -1}, "grey");
  expect_refused({.blur = 2}, "blur");
  expect_refused({.blur_sigma_max = 65}, "blur_sigma_max");
  expect_refused({.erase = 2}, "erase is");
  expect_refused({.erase_scale_max = 1.5}, "erase_scale_max");
  expect_refused({.erase_ratio_min = 4}, "erase_ratio_min is 4, above");
  expect_refused({.cutmix = -0.5}, "cutmix is");
  expect_refused({.mixup = 0.6, .cutmix = 0.5}, "mixup and views.cutmix are 0.6 and 0.5");
  expect_refused({.cutmix_alpha = 2}, "cutmix_alpha");
  expect_refused({.fill = {0, 256, 0}}, "fill is 256");
}

TEST(ViewIdentityTest, ComesBackThroughText) {
  const ViewSpec photos = {.size = {224, 160}, .crop = "random", .flip = 0.5, .rand_augment_ops = 2, .fill = {1, 2, 3}};
  for (const ViewSpec& spec : {ViewSpec(), kSpec, ViewSpec{.shift = 0.1, .zoom = 1.0 / 3}, photos}) {
    const auto identity = nlohmann::json::parse(ViewIdentity(spec).dump());
    EXPECT_EQ(ViewSpecFromIdentity(identity), spec);
  }
}

TEST(ViewIdentityTest, RejectsWhatThisBuildDoesNotHave) {
  const auto expect_refused = [](const nlohmann::json& identity) {
    EXPECT_THAT([&] { ViewSpecFromIdentity(identity); }, FailsWith(ErrorCode::kMismatch, identity.dump()));
  };
  nlohmann::json identity = ViewIdentity(kSpec);
  for (const int version : {1, 3}) {
    identity["version"] = version;
    expect_refused(identity);
  }
  identity = ViewIdentity(kSpec);
  identity["solarize"] = 0.5;
  expect_refused(identity);
  identity = ViewIdentity(kSpec);
  identity.erase("zoom");
  expect_refused(identity);
  identity = ViewIdentity(kSpec);
  identity["zoom"] = "much";
  expect_refused(identity);
  identity = ViewIdentity(kSpec);
  identity["zoom"] = 2.5;
  expect_refused(identity);
  identity = ViewIdentity(kSpec);
  identity["size"] = {224};
  expect_refused(identity);
  expect_refused(nlohmann::json::object());
  expect_refused(nullptr);
}

}  // namespace
}  // namespace decant
