#include <algorithm>
#include <cstddef>
#include <cstdio>

#include <setjmp.h>

// jpeglib.h wants size_t and FILE before it.
#include <jerror.h>
#include <jpeglib.h>

#include "decant/base/error.h"

#include "decoders.h"
#include "exif.h"

namespace decant {
namespace {

constexpr std::string_view kExifPrefix("Exif\0\0", 6);

// libjpeg's state. Its errors, and warnings that mean lost pixels, leave Guarded() by longjmp.
class JpegReader {
 public:
  JpegReader() {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr info) { Leave(info); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0 && LosesPixels(*info->err)) Leave(info);
    };
    info_.client_data = this;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // Runs `step`, which holds nothing that needs a destructor. kDataLoss, kExhausted.
  template <typename Step>
  void Guarded(std::string_view what, const Step& step) {
    if (!Succeeds(step)) {
      const bool no_memory = errors_.msg_code == JERR_OUT_OF_MEMORY;
      Fail(no_memory ? ErrorCode::kExhausted : ErrorCode::kDataLoss, "{}: damaged JPEG: {}", what, text_);
    }
  }
  jpeg_decompress_struct* info() { return &info_; }

 private:
  template <typename Step>
  bool Succeeds(const Step& step) {
    if (setjmp(jump_) != 0) return false;
    step();
    return true;
  }
  [[noreturn]] static void Leave(j_common_ptr info) {
    auto* self = static_cast<JpegReader*>(info->client_data);
    info->err->format_message(info, self->text_);
    longjmp(self->jump_, 1);
  }
  // Padding before a marker, and unusual but clear headers, do no harm.
  static bool LosesPixels(const jpeg_error_mgr& error) {
    switch (error.msg_code) {
      case JWRN_ADOBE_XFORM:
      case JWRN_BOGUS_ICC:
      case JWRN_JFIF_MAJOR:
        return false;
      case JWRN_EXTRANEOUS_DATA: {
        constexpr int kMaxPaddingBytes = 16;
        const int num_bytes = error.msg_parm.i[0];
        const int marker = error.msg_parm.i[1];
        const bool restart = marker >= JPEG_RST0 && marker <= JPEG_RST0 + 7;
        return restart || num_bytes > kMaxPaddingBytes;
      }
      default:
        return true;
    }
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jmp_buf jump_;
  char text_[JMSG_LENGTH_MAX] = "";
};

unsigned OrientationOf(const jpeg_decompress_struct& info) {
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker == JPEG_APP0 + 1 && data.starts_with(kExifPrefix)) {
      return ExifOrientation(data.substr(kExifPrefix.size()));
    }
  }
  return 1;
}

// The largest of 1, 2, 4 and 8 by which the image can shrink.
unsigned ScaleOf(const jpeg_decompress_struct& info, uint32_t min_side) {
  const uint32_t side = std::min(info.image_width, info.image_height);
  unsigned scale = 1;
  while (min_side > 0 && scale < 8 && (side + 2 * scale - 1) / (2 * scale) >= min_side) scale *= 2;
  return scale;
}

// Inverted CMYK to RGB, as Pillow converts it: (255 - k) * (255 - c) / 255 for the true c and k, rounded.
void CmykToRgb(const uint8_t* cmyk, size_t num_pixels, uint8_t* rgb) {
  for (size_t i = 0; i < num_pixels; ++i, cmyk += 4, rgb += 3) {
    const int white = cmyk[3];
    for (int channel = 0; channel < 3; ++channel) {
      const int product = (255 - cmyk[channel]) * white + 128;
      rgb[channel] = static_cast<uint8_t>(std::max(0, white - (((product >> 8) + product) >> 8)));
    }
  }
}

J_COLOR_SPACE ColourSpaceToRead(const jpeg_decompress_struct& info) {
  if (info.num_components == 1) return JCS_GRAYSCALE;
  return info.num_components == 4 ? JCS_CMYK : JCS_RGB;
}

}  // namespace

unsigned DecodeJpeg(std::string_view bytes, std::string_view what, const DecodeOptions& options, Image* image) {
  JpegReader reader;
  jpeg_decompress_struct* info = reader.info();
  reader.Guarded(what, [&] {
    jpeg_create_decompress(info);
    jpeg_save_markers(info, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src(info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(info, TRUE);
  });
  // Each block of the finest component takes one bit at least; no sampling factor is above 4.
  constexpr uint64_t kMaxPixelsPerByte = 8 * DCTSIZE2 * 4;
  constexpr uint64_t kArithmeticGain = 64;
  CheckSize(info->image_width, info->image_height, bytes.size(),
            info->arith_code ? kMaxPixelsPerByte * kArithmeticGain : kMaxPixelsPerByte, what, options);
  if (info->num_components != 1 && info->num_components != 3 && info->num_components != 4) {
    Fail(ErrorCode::kDataLoss, "{}: a JPEG of {} components; expected 1, 3 or 4", what, info->num_components);
  }
  const unsigned orientation = OrientationOf(*info);  // finishing drops the markers
  info->out_color_space = ColourSpaceToRead(*info);
  info->scale_num = 1;
  info->scale_denom = ScaleOf(*info, options.min_side);
  reader.Guarded(what, [&] { jpeg_start_decompress(info); });

  const bool cmyk = info->out_color_space == JCS_CMYK;
  image->shape = {.height = info->output_height,
                  .width = info->output_width,
                  .channels = info->out_color_space == JCS_GRAYSCALE ? 1u : 3u};
  image->pixels.resize(image->shape.num_bytes());
  std::vector<uint8_t> cmyk_row(cmyk ? size_t{info->output_width} * 4 : 0);
  uint8_t* pixels = image->pixels.data();
  const size_t row_bytes = size_t{image->shape.width} * image->shape.channels;
  reader.Guarded(what, [&] {
    while (info->output_scanline < info->output_height) {
      uint8_t* row = pixels + info->output_scanline * row_bytes;
      JSAMPROW rows[1] = {cmyk ? cmyk_row.data() : row};
      jpeg_read_scanlines(info, rows, 1);
      if (cmyk) CmykToRgb(cmyk_row.data(), info->output_width, row);
    }
    jpeg_finish_decompress(info);
  });
  return orientation;
}

}  // namespace decant
