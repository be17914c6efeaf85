#include "decant/data/view.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "decant/base/random.h"

#include "exact_math.h"

namespace decant {
namespace {

constexpr uint32_t kNumAttempts = 10;

// Where the stream of a view draws whether it is mixed: behind the six draws of its affine map and brightness.
constexpr uint32_t kMixedDraw = 6;

uint32_t FixedPoint(double value) {
  return static_cast<uint32_t>(std::floor(value * 65536 + 0.5));
}

// A share in (0, 1] of an axis, of at least one unit.
uint32_t ShareOfAxis(double share) {
  return std::max(static_cast<uint32_t>(std::floor(share * RelativeBox::kOne + 0.5)), 1u);
}

// A box of this size, anywhere inside.
RelativeBox PlaceBox(double width, double height, RandomStream* random) {
  RelativeBox box = {.width = ShareOfAxis(width), .height = ShareOfAxis(height)};
  box.left = static_cast<uint32_t>(random->NextUniform() * (RelativeBox::kOne - box.width + 1));
  box.top = static_cast<uint32_t>(random->NextUniform() * (RelativeBox::kOne - box.height + 1));
  return box;
}

RelativeBox CentreBox(double width, double height) {
  RelativeBox box = {.width = ShareOfAxis(width), .height = ShareOfAxis(height)};
  box.left = (RelativeBox::kOne - box.width) / 2;
  box.top = (RelativeBox::kOne - box.height) / 2;
  return box;
}

double DrawRatio(double low, double high, RandomStream* random) {
  return ExactExp(random->NextUniform(ExactLog(low), ExactLog(high)));
}

// torchvision's RandomResizedCrop, without its rounding to whole pixels.
RelativeBox RandomCrop(const ViewSpec& spec, double image_ratio, RandomStream random) {
  for (uint32_t attempt = 0; attempt < kNumAttempts; ++attempt) {
    const double area = random.NextUniform(spec.scale_min, spec.scale_max);
    const double ratio = DrawRatio(spec.ratio_min, spec.ratio_max, &random) / image_ratio;
    const double width = std::sqrt(area * ratio), height = std::sqrt(area / ratio);
    if (width <= 1 && height <= 1) return PlaceBox(width, height, &random);
  }
  if (image_ratio < spec.ratio_min) return CentreBox(1, image_ratio / spec.ratio_min);
  if (image_ratio > spec.ratio_max) return CentreBox(spec.ratio_max / image_ratio, 1);
  return {};
}

void DrawAffine(const ViewSpec& spec, RandomStream random, ViewParams* params) {
  const double largest_half_tan = std::tan(spec.rotate * std::numbers::pi / 360);
  params->shift_x = random.NextUniform(-spec.shift, spec.shift);
  params->shift_y = random.NextUniform(-spec.shift, spec.shift);
  params->half_tan = random.NextUniform(-largest_half_tan, largest_half_tan);
  params->shear = random.NextUniform(-spec.shear, spec.shear);
  params->scale = random.NextUniform(1 - spec.zoom, 1 + spec.zoom);
  params->brightness = FixedPoint(random.NextUniform(1 - spec.brightness, 1 + spec.brightness));
}

void DrawAugment(const ViewSpec& spec, RandomStream random, ViewParams* params) {
  for (uint32_t i = 0; i < spec.rand_augment_ops; ++i) {
    const auto op = static_cast<AugmentOp>(random.NextUniform() * kNumAugmentOps);
    const bool negative = random.NextUniform() < 0.5;
    params->augment.push_back({op, static_cast<uint8_t>(spec.rand_augment_magnitude), negative});
  }
}

// The permutation of (0, 1, 2, 3) with this lexicographic number.
std::array<uint8_t, 4> PermutationOf(uint32_t number) {
  std::array<uint8_t, 4> order = {0, 1, 2, 3};
  for (uint32_t i = 0; i < number; ++i) std::next_permutation(order.begin(), order.end());
  return order;
}

void DrawJitter(const ViewSpec& spec, RandomStream random, ViewParams* params) {
  if (spec.jitter_brightness == 0 && spec.jitter_contrast == 0 && spec.jitter_saturation == 0 && spec.jitter_hue == 0) {
    return;
  }
  const auto factor = [&](double range) { return FixedPoint(random.NextUniform(1 - range, 1 + range)); };
  params->jitter_order = PermutationOf(static_cast<uint32_t>(random.NextUniform() * 24));
  params->jitter_brightness = factor(spec.jitter_brightness);
  params->jitter_contrast = factor(spec.jitter_contrast);
  params->jitter_saturation = factor(spec.jitter_saturation);
  params->jitter_hue = static_cast<int32_t>(random.NextUniform(-spec.jitter_hue, spec.jitter_hue) * 255);
}

void DrawBlur(const ViewSpec& spec, RandomStream random, ViewParams* params) {
  if (!(random.NextUniform() < spec.blur)) return;
  params->blur_sigma = FixedPoint(random.NextUniform(spec.blur_sigma_min, spec.blur_sigma_max));
}

// torchvision's RandomErasing, in shares of the view.
void DrawErase(const ViewSpec& spec, RandomStream random, ViewParams* params) {
  if (!(random.NextUniform() < spec.erase)) return;
  for (uint32_t attempt = 0; attempt < kNumAttempts; ++attempt) {
    const double area = random.NextUniform(spec.erase_scale_min, spec.erase_scale_max);
    const double ratio = DrawRatio(spec.erase_ratio_min, spec.erase_ratio_max, &random);
    const double width = std::sqrt(area / ratio), height = std::sqrt(area * ratio);
    if (width >= 1 || height >= 1) continue;
    params->erase_box = PlaceBox(width, height, &random);
    return;
  }
}

// A box around a place anywhere, cut off at the borders.
void DrawCutBox(const ViewSpec& spec, RandomStream random, Mixing* mixing) {
  const auto x = static_cast<int64_t>(random.NextUniform() * RelativeBox::kOne);
  const auto y = static_cast<int64_t>(random.NextUniform() * RelativeBox::kOne);
  const double share = FixedPoint(random.NextBeta(spec.cutmix_alpha)) / 65536.0;
  const auto half = static_cast<int64_t>(std::sqrt(1 - share) * (RelativeBox::kOne / 2));
  const auto clip = [](int64_t edge) { return static_cast<uint32_t>(std::clamp<int64_t>(edge, 0, RelativeBox::kOne)); };
  RelativeBox& box = mixing->cut_box;
  box.left = clip(x - half);
  box.top = clip(y - half);
  box.width = clip(x + half) - box.left;
  box.height = clip(y + half) - box.top;
  const uint64_t area = (uint64_t{box.width} * box.height + (uint64_t{1} << 31)) >> 32;
  mixing->own_share = 65536 - static_cast<uint32_t>(area);
}

}  // namespace

Mixing DrawMixing(const ViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id) {
  RandomStream random(seed, RandomPurpose::kView, epoch, sample_id);
  for (uint32_t i = 0; i < kMixedDraw; ++i) random.NextBits();
  Mixing mixing;
  const double which = random.NextUniform();
  mixing.mixed = which < spec.mixup + spec.cutmix;
  mixing.cutmix = mixing.mixed && !(which < spec.mixup);
  if (mixing.cutmix) {
    DrawCutBox(spec, RandomStream(seed, RandomPurpose::kCutmix, epoch, sample_id), &mixing);
  } else if (mixing.mixed) {
    mixing.own_share = FixedPoint(random.NextBeta(spec.mixup_alpha));
  }
  return mixing;
}

ViewParams DrawView(const ViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id) {
  const auto stream = [&](RandomPurpose purpose) { return RandomStream(seed, purpose, epoch, sample_id); };
  ViewParams params;
  DrawAffine(spec, stream(RandomPurpose::kView), &params);
  const Mixing mixing = DrawMixing(spec, seed, epoch, sample_id);
  params.mixed = mixing.mixed;
  params.own_share = mixing.own_share;
  params.cutmix = mixing.cutmix;
  params.cut_box = mixing.cut_box;
  params.flip = stream(RandomPurpose::kFlip).NextUniform() < spec.flip;
  DrawAugment(spec, stream(RandomPurpose::kRandAugment), &params);
  DrawJitter(spec, stream(RandomPurpose::kJitter), &params);
  params.grey = stream(RandomPurpose::kGrey).NextUniform() < spec.grey;
  DrawBlur(spec, stream(RandomPurpose::kBlur), &params);
  DrawErase(spec, stream(RandomPurpose::kErase), &params);
  return params;
}

RelativeBox DrawCrop(const ViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id, const ImageShape& image,
                     const ImageShape& reference) {
  const double image_ratio = static_cast<double>(image.width) / image.height;
  if (spec.crop == "random") {
    return RandomCrop(spec, image_ratio, RandomStream(seed, RandomPurpose::kCrop, epoch, sample_id));
  }
  if (spec.crop == "center") {
    const double height = spec.size[0] ? spec.size[0] : reference.height;
    const double width = spec.size[1] ? spec.size[1] : reference.width;
    const double ratio = width / height / image_ratio;
    return CentreBox(std::min(ratio, 1.0) * spec.crop_share, std::min(1 / ratio, 1.0) * spec.crop_share);
  }
  return {};
}

}  // namespace decant
