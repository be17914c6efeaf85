#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "decant/data/box.h"
#include "decant/data/image.h"
#include "decant/data/rand_augment.h"
#include "decant/data/view_spec.h"

namespace decant {

// How two views become one.
struct Mixing {
  bool mixed = false;            // the partner is decided by the order
  bool cutmix = false;           // by pasting the partner's cut_box; otherwise by blending
  uint32_t own_share = 1 << 16;  // of the own image, times 2^16; of a cutmix view, the share of its area
  RelativeBox cut_box = {.width = 0, .height = 0};

  bool operator==(const Mixing&) const = default;
};

// The parameters of one view, before mixing, but for the crop. Factors are times 2^16.
struct ViewParams {
  double shift_x = 0;   // share of the width, positive moves the content right
  double shift_y = 0;   // share of the height, positive moves the content down
  double half_tan = 0;  // tangent of half the rotation angle; positive turns clockwise on the screen
  double shear = 0;
  double scale = 1;
  uint32_t brightness = 1 << 16;
  bool mixed = false;  // from here, the fields of Mixing
  uint32_t own_share = 1 << 16;
  bool cutmix = false;
  RelativeBox cut_box = {.width = 0, .height = 0};

  bool flip = false;
  std::vector<AugmentStep> augment;
  std::array<uint8_t, 4> jitter_order = {0, 1, 2, 3};  // 0 brightness, 1 contrast, 2 saturation, 3 hue
  uint32_t jitter_brightness = 1 << 16;
  uint32_t jitter_contrast = 1 << 16;
  uint32_t jitter_saturation = 1 << 16;
  int32_t jitter_hue = 0;  // steps of 1/255 turn
  bool grey = false;
  uint32_t blur_sigma = 0;  // pixels, times 2^16; 0: no blur
  RelativeBox erase_box = {.width = 0, .height = 0};

  bool operator==(const ViewParams&) const = default;
};

// Pure functions of their arguments. Known answers: docs/randomness.md.
ViewParams DrawView(const ViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id);
// The part of DrawView that external views have too.
Mixing DrawMixing(const ViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id);
// The part of an image that a view shows. `reference` is the shape of views, spec.size where that is given: the box of
// "center" has its proportions. The whole image for "none" and "squash".
RelativeBox DrawCrop(const ViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id, const ImageShape& image,
                     const ImageShape& reference);

}  // namespace decant
