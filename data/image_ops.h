#pragma once

#include <array>
#include <cstdint>

#include "decant/data/box.h"
#include "decant/data/image.h"

namespace decant {

// An image that operations change in place: [height, width, channels] of uint8. Operations on colours want 1 or 3
// channels; of one, they leave alone what only colours have. Factors are times 2^16, 2^16 changes nothing.
struct Canvas {
  ImageShape shape;
  uint8_t* pixels;
};

// The colour of channel c is fill[min(c, 2)].
using Colour = std::array<uint32_t, 3>;

void FlipHorizontally(const Canvas& image);
void FillBox(const Canvas& image, const RelativeBox& box, const Colour& fill);

// As Pillow's ImageEnhance has them: the image, moved away from or towards black, its mean grey, its greys, its
// smoothed self; results are rounded down and clipped.
void ChangeBrightness(const Canvas& image, uint32_t factor);
void ChangeContrast(const Canvas& image, uint32_t factor);
void ChangeSaturation(const Canvas& image, uint32_t factor);
void ChangeSharpness(const Canvas& image, uint32_t factor);
// The brightness of version 1 of the views: rounded to the nearest.
void ScaleBrightness(const Canvas& image, uint32_t factor);
// Every channel becomes the grey (19595 R + 38470 G + 7471 B + 32768) >> 16.
void MakeGrey(const Canvas& image);
// Turns the hue by steps of 1/255 turn, [-255, 255], as torchvision does with Pillow's 8-bit HSV.
void TurnHue(const Canvas& image, int32_t steps);

// As Pillow's ImageOps has them. Keeps the high `bits`, 1 to 8.
void Posterize(const Canvas& image, uint32_t bits);
// Inverts values of `threshold` and above.
void Solarize(const Canvas& image, double threshold);
// Stretches each channel to [0, 255].
void AutoContrast(const Canvas& image);
// Evens out the histogram of each channel.
void Equalize(const Canvas& image);

}  // namespace decant
