#include "decant/data/view_renderer.h"

#include <algorithm>
#include <cmath>

#include "decant/base/error.h"
#include "decant/base/hash.h"

namespace decant {
namespace {

// Maps an output pixel's centre to the source, both relative to the image's centre.
struct Affine {
  double xx, xy, yx, yy, x0, y0;
};

// The inverse of: shear, then rotate, then scale, then shift.
Affine SourceOf(const ViewParams& params, const ImageShape& shape) {
  const double t = params.half_tan;
  const double cosine = (1 - t * t) / (1 + t * t);
  const double sine = 2 * t / (1 + t * t);
  // Undo scale and rotation, then the shear (x += shear * y).
  const double rx = cosine / params.scale, ry = sine / params.scale;
  Affine map{};
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

// 24.8 fixed point, rounded.
int64_t Fixed(double value) {
  return static_cast<int64_t>(std::floor(value * 256 + 0.5));
}

}  // namespace

ViewRenderer::ViewRenderer(const ImageSource& source, const ViewSpec& spec, const OrderSpec& order, uint64_t seed,
                           const ImageShape& shape)
    : source_(source), spec_(spec), order_(order), seed_(seed), shape_(shape) {
  spec.Validate();
}

nlohmann::json ViewRenderer::Identity() const {
  return {{"dataset", source_.Identity()},
          {"views", ViewIdentity(spec_)},
          {"order", OrderIdentity(order_)},
          {"seed", seed_}};
}

View ViewRenderer::ViewAt(const Order& order, uint32_t epoch, uint64_t position) const {
  View view;
  view.sample_id = order.SampleAt(position);
  view.params = DrawView(spec_, seed_, epoch, view.sample_id);
  const uint64_t neighbour = position ^ 1;
  const bool mixed = view.params.mixed && neighbour < order.num_samples();
  view.partner_id = mixed ? order.SampleAt(neighbour) : view.sample_id;
  return view;
}

uint16_t ViewRenderer::Render(const View& view, uint32_t epoch, uint8_t* pixels) const {
  Image own, partner;
  source_.ReadImage(view.sample_id, &own);
  if (view.partner_id != view.sample_id) source_.ReadImage(view.partner_id, &partner);
  return Render(view, epoch, own, partner, pixels);
}

uint16_t ViewRenderer::Render(const View& view, uint32_t epoch, const Image& own, const Image& partner,
                              uint8_t* pixels) const {
  RenderOne(view.sample_id, view.params, own, pixels);
  if (view.partner_id == view.sample_id) return 0;
  std::vector<uint8_t> partner_pixels(shape_.num_bytes());
  RenderOne(view.partner_id, DrawView(spec_, seed_, epoch, view.partner_id), partner, partner_pixels.data());
  const uint32_t own_share = view.params.own_share;
  for (size_t i = 0; i < partner_pixels.size(); ++i) {
    pixels[i] = static_cast<uint8_t>((pixels[i] * own_share + partner_pixels[i] * (65536 - own_share) + 32768) >> 16);
  }
  return 0;
}

void ViewRenderer::RenderOne(uint64_t sample_id, const ViewParams& params, const Image& source_image,
                             uint8_t* pixels) const {
  const ImageShape& shape = shape_;
  if (source_image.shape != shape) {
    Fail(ErrorCode::kInvalidArgument, "sample {}: an image of {} x {} x {}, expected {} x {} x {}", sample_id,
         source_image.shape.height, source_image.shape.width, source_image.shape.channels, shape.height, shape.width,
         shape.channels);
  }
  const auto height = static_cast<int64_t>(shape.height);
  const auto width = static_cast<int64_t>(shape.width);
  const auto channels = static_cast<int64_t>(shape.channels);
  const uint8_t* image = source_image.pixels.data();
  const Affine map = SourceOf(params, shape);
  // A source pixel and its weight, black outside.
  const auto at = [&](int64_t y, int64_t x, int64_t c) -> int64_t {
    return y < 0 || y >= height || x < 0 || x >= width ? 0 : image[(y * width + x) * channels + c];
  };
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const double out_x = static_cast<double>(x) + 0.5 - static_cast<double>(width) / 2;
      const double out_y = static_cast<double>(y) + 0.5 - static_cast<double>(height) / 2;
      const double in_x = map.xx * out_x + map.xy * out_y + map.x0 + static_cast<double>(width) / 2 - 0.5;
      const double in_y = map.yx * out_x + map.yy * out_y + map.y0 + static_cast<double>(height) / 2 - 0.5;
      const int64_t fixed_x = Fixed(in_x), fixed_y = Fixed(in_y);
      const int64_t left = fixed_x >> 8, top = fixed_y >> 8;
      const int64_t wx = fixed_x & 255, wy = fixed_y & 255;
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t upper = at(top, left, c) * (256 - wx) + at(top, left + 1, c) * wx;
        const int64_t lower = at(top + 1, left, c) * (256 - wx) + at(top + 1, left + 1, c) * wx;
        const int64_t grey = (upper * (256 - wy) + lower * wy + 32768) >> 16;
        const int64_t bright = (grey * params.brightness + 32768) >> 16;
        pixels[(y * width + x) * channels + c] = static_cast<uint8_t>(std::min<int64_t>(bright, 255));
      }
    }
  }
}

}  // namespace decant
