#include "decant/data/view_renderer.h"

#include <vector>

#include <gtest/gtest.h>

#include "decant/base/hash.h"

#include "unit/errors.h"

namespace decant {
namespace {

using Pixels = std::vector<uint8_t>;

// Images whose every byte follows from the sample, the place and the channel.
class PatternSource : public ImageSource {
 public:
  PatternSource(uint64_t num_samples, ImageShape shape) : num_samples_(num_samples), shape_(shape) {}
  uint64_t num_samples() const override { return num_samples_; }
  uint32_t num_classes() const override { return 10; }
  uint32_t channels() const override { return shape_.channels; }
  std::optional<ImageShape> image_shape() const override { return shape_; }
  std::string Name(uint64_t) const override { return ""; }
  uint64_t ContentHash(uint64_t sample_id) const override { return sample_id; }
  uint32_t Label(uint64_t sample_id) const override { return static_cast<uint32_t>(sample_id % 10); }
  void ReadImage(uint64_t sample_id, Image* image) const override {
    image->shape = shape_;
    image->pixels.resize(shape_.num_bytes());
    for (size_t i = 0; i < shape_.num_bytes(); ++i) {
      image->pixels[i] = static_cast<uint8_t>((sample_id + 1) * 31 + i * 7 + 1);
    }
  }
  nlohmann::json Identity() const override { return {}; }
  std::vector<uint8_t> PixelsOf(uint64_t sample_id) const {
    Image image;
    ReadImage(sample_id, &image);
    return image.pixels;
  }

 private:
  uint64_t num_samples_;
  ImageShape shape_;
};

class ViewRendererTest : public testing::Test {
 protected:
  Pixels Render(const ViewParams& params, uint64_t sample_id = 0) {
    return Render(View{.sample_id = sample_id, .partner_id = sample_id, .params = params});
  }
  Pixels Render(const View& view) {
    Pixels image(source_.image_shape()->num_bytes(), 99);
    ViewRenderer(source_, {}, OrderKind::kGlobal, 1, *source_.image_shape()).Render(view, 0, image.data());
    return image;
  }
  uint8_t At(const Pixels& image, uint32_t y, uint32_t x, uint32_t c) { return image[(y * 6 + x) * 3 + c]; }

  const PatternSource source_{5, {.height = 6, .width = 6, .channels = 3}};
};

TEST_F(ViewRendererTest, IdentityLeavesPixelsAlone) {
  for (const ImageShape shape :
       {ImageShape{1, 1, 1}, ImageShape{8, 8, 1}, ImageShape{7, 5, 3}, ImageShape{4, 9, 4}, ImageShape{33, 32, 2}}) {
    const PatternSource source(3, shape);
    const ViewRenderer renderer(source, {}, OrderKind::kGlobal, 4, *source.image_shape());
    const Order order = renderer.OrderOf(2);
    for (uint64_t position = 0; position < 3; ++position) {
      const View view = renderer.ViewAt(order, 2, position);
      EXPECT_EQ(view.sample_id, order.SampleAt(position));
      Pixels image(shape.num_bytes(), 99);
      renderer.Render(view, 2, image.data());
      EXPECT_EQ(image, source.PixelsOf(view.sample_id));
    }
  }
}

TEST_F(ViewRendererTest, PositiveShiftsMoveTheContentRightAndDown) {
  const Pixels original = source_.PixelsOf(0);
  const Pixels image = Render({.shift_x = 2.0 / 6, .shift_y = 1.0 / 6});
  for (uint32_t y = 0; y < 6; ++y) {
    for (uint32_t x = 0; x < 6; ++x) {
      for (uint32_t c = 0; c < 3; ++c) {
        const uint8_t expected = y < 1 || x < 2 ? 0 : At(original, y - 1, x - 2, c);
        EXPECT_EQ(At(image, y, x, c), expected) << "at " << y << ", " << x;
      }
    }
  }
}

TEST_F(ViewRendererTest, HalfAPixelIsTheMeanOfNeighbours) {
  const Pixels original = source_.PixelsOf(0);
  const Pixels image = Render({.shift_x = 0.5 / 6});
  EXPECT_EQ(At(image, 2, 3, 1), (At(original, 2, 2, 1) + At(original, 2, 3, 1) + 1) / 2);
  EXPECT_EQ(At(image, 2, 0, 1), (At(original, 2, 0, 1) + 1) / 2) << "mixed with black at the edge";
}

TEST_F(ViewRendererTest, PositiveHalfTangentTurnsClockwise) {
  const Pixels original = source_.PixelsOf(0);
  const Pixels image = Render({.half_tan = 1});  // 90 degrees: what was up is right
  for (uint32_t y = 0; y < 6; ++y) {
    for (uint32_t x = 0; x < 6; ++x) EXPECT_EQ(At(image, x, 5 - y, 2), At(original, y, x, 2));
  }
}

TEST_F(ViewRendererTest, PositiveShearMovesLowerRowsRight) {
  const Pixels original = source_.PixelsOf(0);
  const Pixels image = Render({.shear = 0.4});  // row 5 is 2.5 rows below the centre: 1 pixel
  EXPECT_EQ(At(image, 5, 3, 0), At(original, 5, 2, 0));
  EXPECT_EQ(At(image, 0, 3, 0), At(original, 0, 4, 0));
}

TEST_F(ViewRendererTest, ScaleBelowOneLeavesABlackBorder) {
  const Pixels image = Render({.scale = 0.5});
  for (uint32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(At(image, 0, i, 0), 0);
    EXPECT_EQ(At(image, i, 5, 0), 0);
  }
  EXPECT_NE(At(image, 2, 2, 0), 0);
}

TEST_F(ViewRendererTest, BrightnessScalesAndSaturates) {
  const Pixels original = source_.PixelsOf(0);
  const Pixels black = Render({.brightness = 0});
  const Pixels half = Render({.brightness = 1 << 15});
  const Pixels twice = Render({.brightness = 2 << 16});
  for (size_t i = 0; i < original.size(); ++i) {
    EXPECT_EQ(black[i], 0);
    EXPECT_EQ(half[i], (original[i] + 1) / 2);
    EXPECT_EQ(twice[i], std::min(2 * original[i], 255));
  }
}

TEST_F(ViewRendererTest, MixesBothViewsByTheirShares) {
  const Pixels own = source_.PixelsOf(1), partner = source_.PixelsOf(3);
  const Pixels image = Render(View{.sample_id = 1, .partner_id = 3, .params = {.own_share = 49152}});
  for (size_t i = 0; i < image.size(); ++i) {
    EXPECT_EQ(image[i], (3 * own[i] + partner[i] + 2) / 4) << "byte " << i;
  }
}

TEST_F(ViewRendererTest, OwnShareOfExtremesIsOneImage) {
  View view{.sample_id = 1, .partner_id = 3, .params = {.own_share = 65536}};
  EXPECT_EQ(Render(view), source_.PixelsOf(1));
  EXPECT_EQ(view.own_share(), 1);
  view.params.own_share = 0;
  EXPECT_EQ(Render(view), source_.PixelsOf(3));
  EXPECT_EQ(view.own_share(), 0);
}

TEST_F(ViewRendererTest, PartnerIsTheNeighbourInTheOrder) {
  const ViewRenderer renderer(source_, {.mixup = 1}, OrderKind::kGlobal, 6, *source_.image_shape());
  for (uint32_t epoch = 0; epoch < 4; ++epoch) {
    const Order order = renderer.OrderOf(epoch);
    for (const uint64_t position : {0u, 2u}) {
      const View first = renderer.ViewAt(order, epoch, position);
      const View second = renderer.ViewAt(order, epoch, position + 1);
      EXPECT_EQ(first.partner_id, second.sample_id);
      EXPECT_EQ(second.partner_id, first.sample_id);
      EXPECT_LE(first.own_share(), 1);
    }
  }
}

TEST_F(ViewRendererTest, OddLastSampleMixesWithNobody) {
  const ViewRenderer renderer(source_, {.mixup = 1}, OrderKind::kGlobal, 6, *source_.image_shape());
  const View last = renderer.ViewAt(renderer.OrderOf(0), 0, 4);
  EXPECT_EQ(last.partner_id, last.sample_id);
  EXPECT_EQ(last.own_share(), 1);
}

TEST_F(ViewRendererTest, PartnersShowTheirOwnViewsInAMixture) {
  const ViewSpec spec = {.zoom = 0.9, .brightness = 1, .mixup = 1};
  const ViewRenderer renderer(source_, spec, OrderKind::kDataset, 6, *source_.image_shape());
  const View view = renderer.ViewAt(renderer.OrderOf(0), 0, 0);
  ASSERT_EQ(view.partner_id, 1u);
  Pixels mixed(source_.image_shape()->num_bytes());
  renderer.Render(view, 0, mixed.data());
  const Pixels own = Render(view.params, 0);
  const Pixels partner = Render(DrawView(spec, 6, 0, 1), 1);
  const uint32_t share = view.params.own_share;
  for (size_t i = 0; i < mixed.size(); ++i) {
    EXPECT_EQ(mixed[i], (own[i] * share + partner[i] * (65536 - share) + 32768) >> 16);
  }
}

TEST_F(ViewRendererTest, RefusesASpecOutOfBounds) {
  EXPECT_THAT([&] { ViewRenderer(source_, {.zoom = 1}, OrderKind::kGlobal, 0, *source_.image_shape()); },
              FailsWith(ErrorCode::kInvalidArgument, "views.zoom"));
}

// All operations at once, over two epochs of odd-sized images.
TEST_F(ViewRendererTest, PixelsHaveAKnownChecksum) {
  const PatternSource source(9, {.height = 13, .width = 10, .channels = 3});
  const ViewSpec spec = {
      .shift = 0.1, .rotate = 20, .shear = 0.2, .zoom = 0.2, .brightness = 0.4, .mixup = 0.5, .mixup_alpha = 0.8};
  const ViewRenderer renderer(source, spec, OrderKind::kGlobal, 2024, *source.image_shape());
  Xxh3Stream checksum;
  Pixels image(source.image_shape()->num_bytes());
  for (uint32_t epoch = 0; epoch < 2; ++epoch) {
    const Order order = renderer.OrderOf(epoch);
    for (uint64_t position = 0; position < 9; ++position) {
      renderer.Render(renderer.ViewAt(order, epoch, position), epoch, image.data());
      checksum.Update(image.data(), image.size());
    }
  }
  EXPECT_EQ(Hex(checksum.Digest()), "8867df0e32745e8050f9041b07c29205");
}

}  // namespace
}  // namespace decant
