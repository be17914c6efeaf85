// Prints an image as DecodeImage() gives it, for comparison with other decoders: a line "height width channels",
// pixels. usage: print_pixels CHANNELS MIN_SIDE FILE     exit status: 0, or 1 with the error on stderr
#include <cstdio>
#include <cstdlib>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/data/decode_image.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    decant::Image image;
    decant::DecodeImage(
        decant::ReadFile(argv[3]), argv[3],
        {.channels = static_cast<uint32_t>(std::atoi(argv[1])), .min_side = static_cast<uint32_t>(std::atoi(argv[2]))},
        &image);
    std::printf("%u %u %u\n", image.shape.height, image.shape.width, image.shape.channels);
    std::fwrite(image.pixels.data(), 1, image.pixels.size(), stdout);
  } catch (const decant::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
