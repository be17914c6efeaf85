#include "decant/data/view_spec.h"

#include <string_view>

#include "decant/base/error.h"

namespace decant {
namespace {

constexpr int kViewVersion = 2;

// Calls visit(name, field) for every field.
template <typename Spec, typename Visit>
void VisitFields(Spec& spec, Visit visit) {
  visit("size", spec.size);
  visit("crop", spec.crop);
  visit("crop_share", spec.crop_share);
  visit("scale_min", spec.scale_min);
  visit("scale_max", spec.scale_max);
  visit("ratio_min", spec.ratio_min);
  visit("ratio_max", spec.ratio_max);
  visit("interpolation", spec.interpolation);
  visit("flip", spec.flip);
  visit("shift", spec.shift);
  visit("rotate", spec.rotate);
  visit("shear", spec.shear);
  visit("zoom", spec.zoom);
  visit("rand_augment_ops", spec.rand_augment_ops);
  visit("rand_augment_magnitude", spec.rand_augment_magnitude);
  visit("jitter_brightness", spec.jitter_brightness);
  visit("jitter_contrast", spec.jitter_contrast);
  visit("jitter_saturation", spec.jitter_saturation);
  visit("jitter_hue", spec.jitter_hue);
  visit("grey", spec.grey);
  visit("blur", spec.blur);
  visit("blur_sigma_min", spec.blur_sigma_min);
  visit("blur_sigma_max", spec.blur_sigma_max);
  visit("erase", spec.erase);
  visit("erase_scale_min", spec.erase_scale_min);
  visit("erase_scale_max", spec.erase_scale_max);
  visit("erase_ratio_min", spec.erase_ratio_min);
  visit("erase_ratio_max", spec.erase_ratio_max);
  visit("brightness", spec.brightness);
  visit("mixup", spec.mixup);
  visit("mixup_alpha", spec.mixup_alpha);
  visit("cutmix", spec.cutmix);
  visit("cutmix_alpha", spec.cutmix_alpha);
  visit("fill", spec.fill);
}

void CheckRange(std::string_view key, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    Fail(ErrorCode::kInvalidArgument, "views.{} is {}, but must be {} to {}", key, value, low, high);
  }
}

// The pair <key>_min, <key>_max.
void CheckRanges(std::string_view key, double min, double max, double low, double high) {
  CheckRange(fmt::format("{}_min", key), min, low, high);
  CheckRange(fmt::format("{}_max", key), max, low, high);
  if (min > max) Fail(ErrorCode::kInvalidArgument, "views.{0}_min is {1}, above views.{0}_max, {2}", key, min, max);
}

template <size_t kNumNames>
void CheckName(std::string_view key, std::string_view value, const std::string_view (&names)[kNumNames]) {
  std::string known;
  for (const std::string_view name : names) {
    if (value == name) return;
    known += fmt::format("{}'{}'", known.empty() ? "" : ", ", name);
  }
  Fail(ErrorCode::kInvalidArgument, "views.{} is '{}', but must be one of {}", key, value, known);
}

}  // namespace

void ViewSpec::Validate() const {
  constexpr uint32_t kMaxSide = 16384;
  for (const uint32_t side : size) CheckRange("size", side, 0, kMaxSide);
  if ((size[0] == 0) != (size[1] == 0)) {
    Fail(ErrorCode::kInvalidArgument, "views.size is {} x {}; give both sides or neither", size[0], size[1]);
  }
  CheckName("crop", crop, {"none", "squash", "center", "random"});
  CheckName("interpolation", interpolation, {"bilinear", "bicubic"});
  CheckRange("crop_share", crop_share, 0.01, 1);
  CheckRanges("scale", scale_min, scale_max, 0.0001, 1);
  CheckRanges("ratio", ratio_min, ratio_max, 0.01, 100);
  CheckRange("flip", flip, 0, 1);
  CheckRange("shift", shift, 0, 1);
  CheckRange("rotate", rotate, 0, 90);
  CheckRange("shear", shear, 0, 1);
  CheckRange("zoom", zoom, 0, 0.9);
  CheckRange("rand_augment_ops", rand_augment_ops, 0, 8);
  CheckRange("rand_augment_magnitude", rand_augment_magnitude, 0, 30);
  CheckRange("jitter_brightness", jitter_brightness, 0, 1);
  CheckRange("jitter_contrast", jitter_contrast, 0, 1);
  CheckRange("jitter_saturation", jitter_saturation, 0, 1);
  CheckRange("jitter_hue", jitter_hue, 0, 0.5);
  CheckRange("grey", grey, 0, 1);
  CheckRange("blur", blur, 0, 1);
  CheckRanges("blur_sigma", blur_sigma_min, blur_sigma_max, 0.01, 64);
  CheckRange("erase", erase, 0, 1);
  CheckRanges("erase_scale", erase_scale_min, erase_scale_max, 0.0001, 1);
  CheckRanges("erase_ratio", erase_ratio_min, erase_ratio_max, 0.01, 100);
  CheckRange("brightness", brightness, 0, 1);
  CheckRange("mixup", mixup, 0, 1);
  CheckRange("mixup_alpha", mixup_alpha, 0.05, 1);
  CheckRange("cutmix", cutmix, 0, 1);
  CheckRange("cutmix_alpha", cutmix_alpha, 0.05, 1);
  if (mixup + cutmix > 1) {
    Fail(ErrorCode::kInvalidArgument, "views.mixup and views.cutmix are {} and {}, but must be 1 or less together",
         mixup, cutmix);
  }
  for (const uint32_t value : fill) CheckRange("fill", value, 0, 255);
}

std::string ViewSpec::SizeBoundOperations() const {
  std::string names;
  if (rand_augment_ops > 0 && rand_augment_magnitude > 0) names = "rand_augment (its sharpness)";
  if (blur > 0) names += names.empty() ? "blur" : ", blur";
  return names;
}

nlohmann::json ViewIdentity(const ViewSpec& spec) {
  nlohmann::json identity = {{"kind", "native"}, {"version", kViewVersion}};
  VisitFields(spec, [&](const char* name, const auto& field) { identity[name] = field; });
  return identity;
}

ViewSpec ViewSpecFromIdentity(const nlohmann::json& identity) {
  if (identity.is_object() && identity.contains("kind") && identity["kind"] == "external") {
    Fail(ErrorCode::kMismatch,
         "views: these are external views, which only the transform that made them can render: {}", identity.dump());
  }
  ViewSpec spec;
  try {
    VisitFields(spec, [&](const char* name, auto& field) { identity.at(name).get_to(field); });
    spec.Validate();
  } catch (const nlohmann::json::exception&) {
    // Falls through to the comparison, which fails.
  } catch (const Error& error) {
    Fail(ErrorCode::kMismatch, "views: {}; the store has {}", error.what(), identity.dump());
  }
  if (ViewIdentity(spec) != identity) {
    Fail(ErrorCode::kMismatch, "views: this build has version {} of the native views, the store has {}", kViewVersion,
         identity.dump());
  }
  return spec;
}

}  // namespace decant
