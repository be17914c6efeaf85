#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <jpeglib.h>
#include <png.h>

#include "decant/data/image.h"

namespace decant {

// An image of smooth colours with one sharp edge, so that no two turns of it are alike.
inline Image MakeImage(uint32_t height, uint32_t width, uint32_t channels) {
  Image image{.shape = {.height = height, .width = width, .channels = channels}, .pixels = {}};
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      for (uint32_t c = 0; c < channels; ++c) {
        const uint32_t slope = 40 + x * 150 / width + y * 60 / height * (c + 1) / 3;
        image.pixels.push_back(static_cast<uint8_t>(x < width / 3 && y < height / 2 ? 255 - slope : slope));
      }
    }
  }
  return image;
}

struct JpegOptions {
  int quality = 90;
  bool progressive = false;
  unsigned restart_interval = 0;
  std::string exif = {};  // content of an APP1 marker
};

// libjpeg's encoding of an image of 1 (grey), 3 (RGB) or 4 (CMYK, with an Adobe marker) channels.
inline std::string EncodeJpeg(const Image& image, const JpegOptions& options = {}) {
  jpeg_error_mgr errors;
  jpeg_compress_struct info;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = image.shape.width;
  info.image_height = image.shape.height;
  info.input_components = static_cast<int>(image.shape.channels);
  info.in_color_space = image.shape.channels == 1 ? JCS_GRAYSCALE : image.shape.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, options.quality, TRUE);
  if (options.progressive) jpeg_simple_progression(&info);
  info.restart_interval = options.restart_interval;
  jpeg_start_compress(&info, TRUE);
  if (!options.exif.empty()) {
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(options.exif.data()),
                      static_cast<unsigned>(options.exif.size()));
  }
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<uint8_t*>(image.pixels.data()) +
                size_t{info.next_scanline} * image.shape.width * image.shape.channels;
    JSAMPROW rows[1] = {row};
    jpeg_write_scanlines(&info, rows, 1);
  }
  jpeg_finish_compress(&info);
  std::string encoded(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return encoded;
}

struct PngOptions {
  int colour_type = PNG_COLOR_TYPE_RGB;
  int bit_depth = 8;
  bool interlaced = false;
  std::vector<png_color> palette = {};
  std::vector<png_byte> transparency = {};  // of the palette's colours
  std::string exif = {};
};

// libpng's encoding of rows that are packed as the options say (16 bits: big-endian).
inline std::string EncodePng(uint32_t height, uint32_t width, const std::vector<uint8_t>& packed,
                             const PngOptions& options = {}) {
  std::string encoded;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  if (setjmp(png_jmpbuf(png)) != 0) throw std::runtime_error("libpng cannot write the image");
  const auto append = [](png_structp writer, png_bytep bytes, size_t size) {
    static_cast<std::string*>(png_get_io_ptr(writer))->append(reinterpret_cast<char*>(bytes), size);
  };
  png_set_write_fn(png, &encoded, append, [](png_structp) {});
  png_set_IHDR(png, info, width, height, options.bit_depth, options.colour_type,
               options.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!options.palette.empty()) {
    png_set_PLTE(png, info, options.palette.data(), static_cast<int>(options.palette.size()));
  }
  if (!options.transparency.empty()) {
    png_set_tRNS(png, info, options.transparency.data(), static_cast<int>(options.transparency.size()), nullptr);
  }
  if (!options.exif.empty()) {
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(options.exif.size()),
                   reinterpret_cast<png_bytep>(const_cast<char*>(options.exif.data())));
  }
  png_write_info(png, info);
  const size_t row_bytes = png_get_rowbytes(png, info);
  const int num_passes = png_set_interlace_handling(png);
  for (int pass = 0; pass < num_passes; ++pass) {
    for (uint32_t y = 0; y < height; ++y) png_write_row(png, packed.data() + y * row_bytes);
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return encoded;
}

inline std::string EncodePng(const Image& image) {
  return EncodePng(image.shape.height, image.shape.width, image.pixels,
                   {.colour_type = image.shape.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB});
}

// A TIFF file of one entry, the orientation.
inline std::string ExifTiff(unsigned orientation, bool big_endian = false) {
  std::string tiff = big_endian ? std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0?\0\0\0\0\0\0", 26)
                                : std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0?\0\0\0\0\0\0\0", 26);
  tiff[tiff.find('?')] = static_cast<char>(orientation);
  return tiff;
}

inline std::string ExifMarker(unsigned orientation, bool big_endian = false) {
  return std::string("Exif\0\0", 6) + ExifTiff(orientation, big_endian);
}

}  // namespace decant
