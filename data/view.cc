#include "decant/data/view.h"

#include <cmath>
#include <numbers>
#include <string_view>

#include "decant/base/error.h"
#include "decant/base/random.h"

namespace decant {
namespace {

constexpr int kViewVersion = 1;

void CheckRange(std::string_view key, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    Fail(ErrorCode::kInvalidArgument, "views.{} is {}, but must be {} to {}", key, value, low, high);
  }
}

uint32_t FixedPoint(double value) {
  return static_cast<uint32_t>(std::floor(value * 65536 + 0.5));
}

}  // namespace

void ViewSpec::Validate() const {
  CheckRange("shift", shift, 0, 1);
  CheckRange("rotate", rotate, 0, 90);
  CheckRange("shear", shear, 0, 1);
  CheckRange("zoom", zoom, 0, 0.9);
  CheckRange("brightness", brightness, 0, 1);
  CheckRange("mixup", mixup, 0, 1);
  CheckRange("mixup_alpha", mixup_alpha, 0.05, 1);
}

nlohmann::json ViewIdentity(const ViewSpec& spec) {
  return {{"kind", "native"},
          {"version", kViewVersion},
          {"shift", spec.shift},
          {"rotate", spec.rotate},
          {"shear", spec.shear},
          {"zoom", spec.zoom},
          {"brightness", spec.brightness},
          {"mixup", spec.mixup},
          {"mixup_alpha", spec.mixup_alpha}};
}

ViewSpec ViewSpecFromIdentity(const nlohmann::json& identity) {
  ViewSpec spec;
  try {
    identity.at("shift").get_to(spec.shift);
    identity.at("rotate").get_to(spec.rotate);
    identity.at("shear").get_to(spec.shear);
    identity.at("zoom").get_to(spec.zoom);
    identity.at("brightness").get_to(spec.brightness);
    identity.at("mixup").get_to(spec.mixup);
    identity.at("mixup_alpha").get_to(spec.mixup_alpha);
  } catch (const nlohmann::json::exception&) {
    // Falls through to the comparison, which fails.
  }
  if (ViewIdentity(spec) != identity) {
    Fail(ErrorCode::kMismatch, "views: this build has version {} of the native views, the store has {}", kViewVersion,
         identity.dump());
  }
  return spec;
}

ViewParams DrawView(const ViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id) {
  RandomStream random(seed, RandomPurpose::kView, epoch, sample_id);
  const double largest_half_tan = std::tan(spec.rotate * std::numbers::pi / 360);
  ViewParams params;
  params.shift_x = random.NextUniform(-spec.shift, spec.shift);
  params.shift_y = random.NextUniform(-spec.shift, spec.shift);
  params.half_tan = random.NextUniform(-largest_half_tan, largest_half_tan);
  params.shear = random.NextUniform(-spec.shear, spec.shear);
  params.scale = random.NextUniform(1 - spec.zoom, 1 + spec.zoom);
  params.brightness = FixedPoint(random.NextUniform(1 - spec.brightness, 1 + spec.brightness));
  params.mixed = random.NextUniform() < spec.mixup;
  if (params.mixed) params.own_share = FixedPoint(random.NextBeta(spec.mixup_alpha));
  return params;
}

}  // namespace decant
