#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "decant/data/image.h"

namespace decant {

// A PNG file of an image: grey for 1 channel, RGB for 3. kInvalidArgument for other channels.
std::string EncodePng(const ImageShape& shape, std::span<const uint8_t> pixels);

}  // namespace decant
