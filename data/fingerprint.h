#pragma once

#include <cstdint>

#include "decant/data/box.h"
#include "decant/data/image.h"
#include "decant/data/view.h"

namespace decant {

// One image of a view, and all that was drawn for it.
struct ViewPart {
  uint64_t sample_id = 0;
  ImageShape image;
  RelativeBox crop;
  const ViewParams* params = nullptr;
};

// The low 16 bits of the XXH3-64 of both parts and of how they are mixed, as docs/randomness.md lays them out; 0xfffe
// for 0xffff, which stands for no fingerprint. `partner` is null for a view that is not mixed.
uint16_t FingerprintOf(const ViewPart& own, const ViewPart* partner);

}  // namespace decant
