#include "decant/data/view_renderer.h"

#include <algorithm>
#include <cstring>

#include "decant/base/error.h"

#include "augment.h"
#include "blur.h"
#include "fingerprint.h"
#include "image_ops.h"
#include "resize.h"
#include "warp.h"

namespace decant {
namespace {

constexpr uint32_t kUnchanged = 1 << 16;
constexpr uint32_t kMaxSide = 16384;

std::string ToText(const ImageShape& shape) {
  return fmt::format("{} x {} x {}", shape.height, shape.width, shape.channels);
}

void CheckShape(const ViewSpec& spec, const ImageShape& shape) {
  if (shape.num_bytes() == 0 || std::max(shape.height, shape.width) > kMaxSide) {
    Fail(ErrorCode::kInvalidArgument, "views of {}; expected sides of 1 to {} pixels", ToText(shape), kMaxSide);
  }
  const bool colours = spec.rand_augment_ops > 0 || spec.grey > 0 || spec.jitter_contrast > 0 ||
                       spec.jitter_saturation > 0 || spec.jitter_hue > 0;
  if (colours && shape.channels != 1 && shape.channels != 3) {
    Fail(ErrorCode::kInvalidArgument,
         "views: rand_augment, grey and the jitter of colours need images of 1 or 3 channels, these have {}",
         shape.channels);
  }
  const std::string bound = spec.SizeBoundOperations();
  if (!bound.empty() && spec.size[0] != 0 && (spec.size[0] != shape.height || spec.size[1] != shape.width)) {
    Fail(ErrorCode::kInvalidArgument,
         "views of {} x {} are asked for, but the teacher saw {} x {}, and these operations show something else at "
         "another size: {}; use the teacher's size, or labels without them",
         shape.height, shape.width, spec.size[0], spec.size[1], bound);
  }
}

// A box in pixels; the last places of both are Pillow's, whose boxes are floats.
SourceBox ToPixels(const RelativeBox& box, const ImageShape& image) {
  const auto edge = [](uint32_t share, uint32_t size) {
    return static_cast<float>(static_cast<double>(share) * size / RelativeBox::kOne);
  };
  return {edge(box.left, image.width), edge(box.top, image.height), edge(box.left + box.width, image.width),
          edge(box.top + box.height, image.height)};
}

void Jitter(const Canvas& image, const ViewParams& params) {
  for (const uint8_t which : params.jitter_order) {
    if (which == 0 && params.jitter_brightness != kUnchanged) ChangeBrightness(image, params.jitter_brightness);
    if (which == 1 && params.jitter_contrast != kUnchanged) ChangeContrast(image, params.jitter_contrast);
    if (which == 2 && params.jitter_saturation != kUnchanged) ChangeSaturation(image, params.jitter_saturation);
    if (which == 3 && params.jitter_hue != 0) TurnHue(image, params.jitter_hue);
  }
}

}  // namespace

ViewRenderer::ViewRenderer(const ImageSource& source, const ViewSpec& spec, const OrderSpec& order, uint64_t seed,
                           const ImageShape& shape)
    : source_(source), spec_(spec), order_(order), seed_(seed), shape_(shape) {
  spec.Validate();
  CheckShape(spec, shape);
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
  RenderOne(view.sample_id, epoch, view.params, own, pixels);
  if (view.partner_id != view.sample_id) {
    thread_local std::vector<uint8_t> partner_pixels;
    partner_pixels.resize(shape_.num_bytes());
    RenderOne(view.partner_id, epoch, DrawView(spec_, seed_, epoch, view.partner_id), partner, partner_pixels.data());
    Mix(view.params, partner_pixels.data(), pixels);
  }
  return Fingerprint(view, epoch, own.shape, partner.shape);
}

uint16_t ViewRenderer::Fingerprint(const View& view, uint32_t epoch, const ImageShape& own,
                                   const ImageShape& partner) const {
  const auto part_of = [&](uint64_t sample_id, const ImageShape& image, const ViewParams& params) {
    return ViewPart{sample_id, image, CropOf(sample_id, epoch, image), &params};
  };
  const ViewPart own_part = part_of(view.sample_id, own, view.params);
  if (view.partner_id == view.sample_id) return FingerprintOf(own_part, nullptr);
  const ViewParams partner_params = DrawView(spec_, seed_, epoch, view.partner_id);
  const ViewPart partner_part = part_of(view.partner_id, partner, partner_params);
  return FingerprintOf(own_part, &partner_part);
}

RelativeBox ViewRenderer::CropOf(uint64_t sample_id, uint32_t epoch, const ImageShape& image) const {
  if (image.num_bytes() == 0) {
    Fail(ErrorCode::kInvalidArgument, "sample {}: an image of {} has no pixels", sample_id, ToText(image));
  }
  return DrawCrop(spec_, seed_, epoch, sample_id, image, shape_);
}

void ViewRenderer::Scale(uint64_t sample_id, uint32_t epoch, const Image& image, uint8_t* pixels) const {
  const bool fits = spec_.crop == "none" ? image.shape == shape_ : image.shape.channels == shape_.channels;
  if (!fits) {
    Fail(ErrorCode::kInvalidArgument, "sample {}: an image of {}, expected {}{}", sample_id, ToText(image.shape),
         ToText(shape_), spec_.crop == "none" ? "; views.crop scales images" : "");
  }
  if (image.pixels.size() != image.shape.num_bytes()) {
    Fail(ErrorCode::kInvalidArgument, "sample {}: an image of {} with {} bytes", sample_id, ToText(image.shape),
         image.pixels.size());
  }
  const RelativeBox crop = CropOf(sample_id, epoch, image.shape);
  if (image.shape == shape_ && crop == RelativeBox()) {
    std::memcpy(pixels, image.pixels.data(), shape_.num_bytes());
    return;
  }
  const ResizeFilter filter = spec_.interpolation == "bilinear" ? ResizeFilter::kBilinear : ResizeFilter::kBicubic;
  Resize(image.shape, image.pixels.data(), ToPixels(crop, image.shape), filter, shape_.height, shape_.width, pixels);
}

void ViewRenderer::RenderOne(uint64_t sample_id, uint32_t epoch, const ViewParams& params, const Image& image,
                             uint8_t* pixels) const {
  Scale(sample_id, epoch, image, pixels);
  const Canvas canvas = {shape_, pixels};
  if (params.flip) FlipHorizontally(canvas);
  ApplyAffine(canvas, params, spec_.fill);
  for (const AugmentStep& step : params.augment) Augment(canvas, step, spec_.fill);
  Jitter(canvas, params);
  if (params.grey) MakeGrey(canvas);
  if (params.blur_sigma > 0) GaussianBlur(canvas, params.blur_sigma);
  FillBox(canvas, params.erase_box, spec_.fill);
  if (params.brightness != kUnchanged) ScaleBrightness(canvas, params.brightness);
}

void ViewRenderer::Mix(const ViewParams& params, const uint8_t* partner, uint8_t* pixels) const {
  if (params.cutmix) {
    const PixelBox box = PixelsOf(params.cut_box, shape_.height, shape_.width);
    for (uint32_t y = box.top; y < box.bottom; ++y) {
      const size_t begin = (size_t{y} * shape_.width + box.left) * shape_.channels;
      std::memcpy(pixels + begin, partner + begin, size_t{box.right - box.left} * shape_.channels);
    }
    return;
  }
  const uint32_t own_share = params.own_share;
  for (size_t i = 0; i < shape_.num_bytes(); ++i) {
    pixels[i] = static_cast<uint8_t>((pixels[i] * own_share + partner[i] * (65536 - own_share) + 32768) >> 16);
  }
}

}  // namespace decant
