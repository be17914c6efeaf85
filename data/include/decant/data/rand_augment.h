#pragma once

#include <cstdint>
#include <string_view>

namespace decant {

// The operations of RandAugment, in torchvision's order. Numbers are part of views' fingerprints: never re-use one.
enum class AugmentOp : uint8_t {
  kIdentity = 0,
  kShearX = 1,
  kShearY = 2,
  kTranslateX = 3,
  kTranslateY = 4,
  kRotate = 5,
  kBrightness = 6,
  kColor = 7,
  kContrast = 8,
  kSharpness = 9,
  kPosterize = 10,
  kSolarize = 11,
  kAutoContrast = 12,
  kEqualize = 13,
};
constexpr uint32_t kNumAugmentOps = 14;

// "identity", "shear_x", ...
std::string_view AugmentOpName(AugmentOp op);

// One operation of a view. Where magnitudes have a sign, `negative` turns it.
struct AugmentStep {
  AugmentOp op = AugmentOp::kIdentity;
  uint8_t magnitude = 0;  // of 30
  bool negative = false;

  bool operator==(const AugmentStep&) const = default;
};

}  // namespace decant
