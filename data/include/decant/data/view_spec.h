#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace decant {

// Which views an epoch shows: the operations and their ranges, in the order in which they are applied. What is left at
// its default does nothing. Probabilities are in [0, 1]. Keys and ranges: docs/job.md; formulas: docs/randomness.md.
struct ViewSpec {
  // Height and width at which the teacher sees views. Other sizes show the same views, unless an operation depends on
  // the size. 0: of whoever renders.
  std::array<uint32_t, 2> size = {0, 0};

  std::string crop = "none";  // "none", "squash", "center", "random"
  double crop_share = 0.875;  // center: side of the largest box of the view's shape that is kept
  double scale_min = 0.08;    // random: share of the image's area
  double scale_max = 1;
  double ratio_min = 3.0 / 4;  // random: width / height, in pixels of the image
  double ratio_max = 4.0 / 3;
  std::string interpolation = "bicubic";  // "bilinear", "bicubic"

  double flip = 0;  // probability of being mirrored

  double shift = 0;   // largest shift each way, as a share of width and of height
  double rotate = 0;  // largest rotation each way, degrees
  double shear = 0;   // largest horizontal shear each way: pixels per pixel of height
  double zoom = 0;    // scale is uniform in [1 - zoom, 1 + zoom]

  uint32_t rand_augment_ops = 0;        // operations of RandAugment, one after the other
  uint32_t rand_augment_magnitude = 9;  // of 30

  double jitter_brightness = 0;  // factor is uniform in [1 - x, 1 + x]; the four come in a random order
  double jitter_contrast = 0;
  double jitter_saturation = 0;
  double jitter_hue = 0;  // turn is uniform in [-x, x], of a whole turn

  double grey = 0;              // probability of losing the colours
  double blur = 0;              // probability of a Gaussian blur
  double blur_sigma_min = 0.1;  // pixels
  double blur_sigma_max = 2;

  double erase = 0;               // probability that a box is painted over
  double erase_scale_min = 0.02;  // share of the view's area
  double erase_scale_max = 0.33;
  double erase_ratio_min = 0.3;  // height / width of the box, in shares of the view's
  double erase_ratio_max = 3.3;

  double brightness = 0;  // factor is uniform in [1 - brightness, 1 + brightness]

  double mixup = 0;         // probability of being blended with the partner's view
  double mixup_alpha = 1;   // the own share is Beta(alpha, alpha) distributed
  double cutmix = 0;        // probability of having a box of the partner's view pasted in; with mixup at most 1
  double cutmix_alpha = 1;  // the own share before the box is cut off at the borders: Beta(alpha, alpha)

  std::array<uint32_t, 3> fill = {0, 0, 0};  // colour of what comes from nowhere, and of what is erased

  bool operator==(const ViewSpec&) const = default;

  // kInvalidArgument, naming the key, when a value is out of bounds.
  void Validate() const;
  // "blur", "rand_augment": operations that count in pixels, and so show another view at another size. Empty: none.
  std::string SizeBoundOperations() const;
};

// What the schema records of views, and back. kMismatch for a version or an operation that this build does not have,
// and for external views, which only their own transform can render.
nlohmann::json ViewIdentity(const ViewSpec& spec);
ViewSpec ViewSpecFromIdentity(const nlohmann::json& identity);

}  // namespace decant
