#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "decant/data/view_renderer.h"

#include "unit/errors.h"
#include "unit/pictures.h"

namespace decant {
namespace {

const ViewSpec kSpec = {
    .crop = "random", .flip = 0.5, .shift = 0.1, .jitter_hue = 0.1, .erase = 0.5, .mixup = 0.5, .cutmix = 0.5};

class FingerprintTest : public testing::Test {
 protected:
  uint16_t Of(const View& view, uint32_t epoch = 0, uint64_t seed = 1, const ImageShape& own = kShape,
              const ImageShape& partner = kShape) {
    return ViewRenderer(source_, kSpec, OrderKind::kGlobal, seed, {16, 16, 3}).Fingerprint(view, epoch, own, partner);
  }

  static constexpr ImageShape kShape = {40, 50, 3};
  const PictureSource source_{100, {kShape, {50, 40, 3}, {30, 64, 3}}};
};

TEST_F(FingerprintTest, IsWhatRenderingReturnsAtEverySize) {
  for (const uint32_t size : {8u, 16u, 31u}) {
    const ViewRenderer renderer(source_, kSpec, OrderKind::kGlobal, 6, {size, size, 3});
    const ViewRenderer other(source_, kSpec, OrderKind::kGlobal, 6, {16, 16, 3});
    std::vector<uint8_t> pixels(size * size * 3);
    const Order order = renderer.OrderOf(1);
    for (uint64_t position = 0; position < 20; ++position) {
      const View view = renderer.ViewAt(order, 1, position);
      const uint16_t fingerprint = renderer.Render(view, 1, pixels.data());
      const ImageShape own = source_.ShapeOf(view.sample_id), partner = source_.ShapeOf(view.partner_id);
      EXPECT_EQ(fingerprint, other.Fingerprint(view, 1, own, partner));
    }
  }
}

// 16 bits agree by chance once in 65536 times; these do not.
TEST_F(FingerprintTest, ChangesWithEveryParameter) {
  const std::vector<std::function<void(View*)>> changes = {
      [](View* view) { view->sample_id = 8; },
      [](View* view) { view->partner_id = 9; },
      [](View* view) { view->params.shift_x = 0.1; },
      [](View* view) { view->params.shift_y = 0.1; },
      [](View* view) { view->params.half_tan = -0.1; },
      [](View* view) { view->params.shear = 0.1; },
      [](View* view) { view->params.scale = 1.1; },
      [](View* view) { view->params.brightness = 1; },
      [](View* view) { view->params.own_share = 1; },
      [](View* view) { view->params.cutmix = true; },
      [](View* view) { view->params.cut_box.top = 1; },
      [](View* view) { view->params.flip = true; },
      [](View* view) {
        view->params.augment = {{AugmentOp::kIdentity, 0, false}};
      },
      [](View* view) {
        view->params.augment = {{AugmentOp::kRotate, 0, false}};
      },
      [](View* view) {
        view->params.augment = {{AugmentOp::kIdentity, 3, false}};
      },
      [](View* view) {
        view->params.augment = {{AugmentOp::kIdentity, 0, true}};
      },
      [](View* view) {
        view->params.jitter_order = {1, 0, 2, 3};
      },
      [](View* view) { view->params.jitter_brightness = 1; },
      [](View* view) { view->params.jitter_contrast = 1; },
      [](View* view) { view->params.jitter_saturation = 1; },
      [](View* view) { view->params.jitter_hue = -1; },
      [](View* view) { view->params.grey = true; },
      [](View* view) { view->params.blur_sigma = 1; },
      [](View* view) { view->params.erase_box.left = 1; },
  };
  const View view = {.sample_id = 3, .partner_id = 4, .params = {}};
  std::set<uint16_t> fingerprints = {Of(view)};
  for (const auto& change : changes) {
    View changed = view;
    change(&changed);
    fingerprints.insert(Of(changed));
  }
  EXPECT_EQ(fingerprints.size(), changes.size() + 1);
}

TEST_F(FingerprintTest, ChangesWithImagesSeedAndEpoch) {
  const View view = {.sample_id = 3, .partner_id = 4, .params = {}};
  const std::set<uint16_t> fingerprints = {
      Of(view),
      Of(view, 1),
      Of(view, 0, 2),
      Of(view, 0, 1, {41, 50, 3}),
      Of(view, 0, 1, {40, 51, 3}),
      Of(view, 0, 1, kShape, {50, 40, 3}),
      Of({.sample_id = 4, .partner_id = 3, .params = {}}),
      Of({.sample_id = 3, .partner_id = 3, .params = {}}),
  };
  EXPECT_EQ(fingerprints.size(), 8u);
}

TEST_F(FingerprintTest, DoesNotLookAtThePartnerThatIsNotThere) {
  const View view = {.sample_id = 3, .partner_id = 3, .params = {}};
  EXPECT_EQ(Of(view, 0, 1, kShape, {1, 1, 1}), Of(view, 0, 1, kShape, {}));
}

TEST_F(FingerprintTest, IsNeverTheReservedOne) {
  const ViewRenderer renderer(source_, {}, OrderKind::kGlobal, 1, kShape);
  std::vector<int> counts(65536);
  for (uint64_t sample = 0; sample < 400000; ++sample) {
    ++counts[renderer.Fingerprint({.sample_id = sample, .partner_id = sample, .params = {}}, 0, kShape, kShape)];
  }
  EXPECT_EQ(counts[0xffff], 0);
  EXPECT_GT(counts[0xfffe], 6);  // 12.2 are expected, 6.1 of each of two
}

// Rows of docs/randomness.md.
TEST_F(FingerprintTest, GivesKnownAnswers) {
  const ViewSpec spec = {.crop = "random",
                         .flip = 0.5,
                         .shift = 0.1,
                         .rotate = 20,
                         .shear = 0.2,
                         .zoom = 0.2,
                         .rand_augment_ops = 2,
                         .jitter_brightness = 0.4,
                         .jitter_hue = 0.1,
                         .grey = 0.2,
                         .blur = 0.5,
                         .erase = 0.5,
                         .brightness = 0.4,
                         .mixup = 0.4,
                         .mixup_alpha = 0.8,
                         .cutmix = 0.4};
  const PictureSource source(9, {kShape});
  const ViewRenderer renderer(source, spec, OrderKind::kGlobal, 2024, {224, 224, 3});
  const auto at = [&](uint32_t epoch, uint64_t position) {
    return renderer.Fingerprint(renderer.ViewAt(renderer.OrderOf(epoch), epoch, position), epoch, {375, 500, 3},
                                {480, 640, 3});
  };
  EXPECT_EQ(at(0, 0), 0x0244);
  EXPECT_EQ(at(0, 1), 0x78c8);
  EXPECT_EQ(at(0, 8), 0xca79);
  EXPECT_EQ(at(1, 3), 0x84fb);
}

TEST_F(FingerprintTest, RefusesImagesWithoutPixels) {
  const View view = {.sample_id = 3, .partner_id = 4, .params = {}};
  EXPECT_THAT([&] { Of(view, 0, 1, {0, 5, 3}); }, FailsWith(ErrorCode::kInvalidArgument, "sample 3"));
  EXPECT_THAT([&] { Of(view, 0, 1, kShape, {}); }, FailsWith(ErrorCode::kInvalidArgument, "sample 4"));
}

}  // namespace
}  // namespace decant
