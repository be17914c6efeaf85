#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

namespace decant {

// Which views an epoch shows: the operations and their ranges. An operation with range 0 does nothing.
struct ViewSpec {
  double shift = 0;        // largest shift each way, as a share of width and of height, in [0, 1]
  double rotate = 0;       // largest rotation each way, degrees, in [0, 90]
  double shear = 0;        // largest horizontal shear each way: pixels per pixel of height, in [0, 1]
  double zoom = 0;         // scale is uniform in [1 - zoom, 1 + zoom], in [0, 0.9]
  double brightness = 0;   // factor is uniform in [1 - brightness, 1 + brightness], in [0, 1]
  double mixup = 0;        // probability that a view is mixed with its partner's, in [0, 1]
  double mixup_alpha = 1;  // the own share of a mixed view is Beta(alpha, alpha) distributed, in [0.05, 1]

  bool operator==(const ViewSpec&) const = default;

  // kInvalidArgument, naming the key, when a range is out of bounds.
  void Validate() const;
};

// What the schema records of views, and back. kMismatch for a version or an operation that this build does not have.
nlohmann::json ViewIdentity(const ViewSpec& spec);
ViewSpec ViewSpecFromIdentity(const nlohmann::json& identity);

// The parameters of one view, before mixing. Drawn in the order of the fields.
struct ViewParams {
  double shift_x = 0;   // share of the width, positive moves the content right
  double shift_y = 0;   // share of the height, positive moves the content down
  double half_tan = 0;  // tangent of half the rotation angle; positive turns clockwise on the screen
  double shear = 0;
  double scale = 1;
  uint32_t brightness = 1 << 16;  // factor times 2^16
  bool mixed = false;             // the partner is decided by the order
  uint32_t own_share = 1 << 16;   // share of the own image in a mixed view, times 2^16

  bool operator==(const ViewParams&) const = default;
};

// A pure function of its arguments. Known answers: docs/randomness.md.
ViewParams DrawView(const ViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id);

}  // namespace decant
