#pragma once

#include "decant/data/view.h"

#include "image_ops.h"

namespace decant {

// Where an output pixel comes from: x' = xx * x + xy * y + x0, y' = yx * x + yy * y + y0.
struct AffineMap {
  double xx = 1, xy = 0, x0 = 0;
  double yx = 0, yy = 1, y0 = 0;
};

// Shift, rotation, shear and scale of version 1 of the views; what comes from outside the image is the fill colour, and
// is blended with what comes from inside.
void ApplyAffine(const Canvas& image, const ViewParams& params, const Colour& fill);

// Pillow's Image.transform(size, AFFINE, map, BILINEAR, fillcolor): places are of pixels' centres, from the upper left
// corner; those outside the image become the fill colour, without blending.
void Transform(const Canvas& image, const AffineMap& map, const Colour& fill);

}  // namespace decant
