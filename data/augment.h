#pragma once

#include "decant/data/rand_augment.h"

#include "image_ops.h"

namespace decant {

// As torchvision's RandAugment does it to a Pillow image, with bilinear interpolation; shifts are fractions of pixels.
void Augment(const Canvas& image, const AugmentStep& step, const Colour& fill);

}  // namespace decant
