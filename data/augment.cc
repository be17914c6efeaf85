#include "augment.h"

#include <numbers>

#include "exact_math.h"
#include "warp.h"

namespace decant {
namespace {

constexpr double kMagnitudes = 30;

// About the image's centre, counter-clockwise on the screen.
AffineMap Rotation(double degrees, const ImageShape& shape) {
  const double angle = degrees * std::numbers::pi / 180;
  const double cosine = ExactCos(angle), sine = ExactSin(angle);
  const double x = shape.width / 2.0, y = shape.height / 2.0;
  return {.xx = cosine,
          .xy = -sine,
          .x0 = x - cosine * x + sine * y,
          .yx = sine,
          .yy = cosine,
          .y0 = y - sine * x - cosine * y};
}

// 1 + magnitude, times 2^16.
uint32_t Factor(double magnitude) {
  return static_cast<uint32_t>((1 + magnitude) * 65536 + 0.5);
}

}  // namespace

std::string_view AugmentOpName(AugmentOp op) {
  constexpr std::string_view kNames[kNumAugmentOps] = {
      "identity", "shear_x",  "shear_y",   "translate_x", "translate_y", "rotate",        "brightness",
      "color",    "contrast", "sharpness", "posterize",   "solarize",    "auto_contrast", "equalize"};
  return kNames[static_cast<size_t>(op)];
}

void Augment(const Canvas& image, const AugmentStep& step, const Colour& fill) {
  const double share = step.magnitude / kMagnitudes;
  const double signed_share = step.negative ? -share : share;
  switch (step.op) {
    case AugmentOp::kIdentity:
      return;
    case AugmentOp::kShearX:
      return Transform(image, {.xy = 0.3 * signed_share}, fill);
    case AugmentOp::kShearY:
      return Transform(image, {.yx = 0.3 * signed_share}, fill);
    case AugmentOp::kTranslateX:
      return Transform(image, {.x0 = -(150.0 / 331 * signed_share * image.shape.width)}, fill);
    case AugmentOp::kTranslateY:
      return Transform(image, {.y0 = -(150.0 / 331 * signed_share * image.shape.height)}, fill);
    case AugmentOp::kRotate:
      return Transform(image, Rotation(30 * signed_share, image.shape), fill);
    case AugmentOp::kBrightness:
      return ChangeBrightness(image, Factor(0.9 * signed_share));
    case AugmentOp::kColor:
      return ChangeSaturation(image, Factor(0.9 * signed_share));
    case AugmentOp::kContrast:
      return ChangeContrast(image, Factor(0.9 * signed_share));
    case AugmentOp::kSharpness:
      return ChangeSharpness(image, Factor(0.9 * signed_share));
    case AugmentOp::kPosterize:
      return Posterize(image, 8 - (4u * step.magnitude + 15) / 30);
    case AugmentOp::kSolarize:
      return Solarize(image, 255 - 8.5 * step.magnitude);
    case AugmentOp::kAutoContrast:
      return AutoContrast(image);
    case AugmentOp::kEqualize:
      return Equalize(image);
  }
}

}  // namespace decant
