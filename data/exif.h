#pragma once

#include <string_view>

#include "decant/data/image.h"

namespace decant {

// The orientation that EXIF data (a TIFF file: "II*\0..." or "MM\0*...") records, 1 to 8; 1 where it records none.
// Damaged data is no error: it ends the search.
unsigned ExifOrientation(std::string_view tiff);

// Turns and mirrors an image of this EXIF orientation upright.
void ApplyOrientation(unsigned orientation, Image* image);

}  // namespace decant
