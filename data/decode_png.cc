#include <cstring>
#include <string>
#include <vector>

#include <png.h>

#include "decant/base/error.h"

#include "decoders.h"
#include "exif.h"

namespace decant {
namespace {

// libpng's state. Its errors leave Guarded() by longjmp; its warnings concern nothing that is used.
class PngReader {
 public:
  PngReader(std::string_view bytes, std::string_view what) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      Fail(ErrorCode::kExhausted, "{}: out of memory for a PNG decoder", what);
    }
    constexpr png_alloc_size_t kMaxChunkBytes = 8 << 20;
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_read_fn(png_, this, OnRead);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // Runs `step`, which holds nothing that needs a destructor. kDataLoss.
  template <typename Step>
  void Guarded(std::string_view what, const Step& step) {
    if (!Succeeds(step)) Fail(ErrorCode::kDataLoss, "{}: damaged PNG: {}", what, text_);
  }
  png_structp png() { return png_; }
  png_infop info() { return info_; }

 private:
  template <typename Step>
  bool Succeeds(const Step& step) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    step();
    return true;
  }
  [[noreturn]] static void OnError(png_structp png, png_const_charp text) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self->text_, text, sizeof self->text_ - 1);
    png_longjmp(png, 1);
  }
  static void OnRead(png_structp png, png_bytep to, size_t size) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (size > self->bytes_.size()) png_error(png, "the file ends too early");
    std::memcpy(to, self->bytes_.data(), size);
    self->bytes_.remove_prefix(size);
  }

  std::string_view bytes_;  // not read yet
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  char text_[256] = "";
};

unsigned OrientationOf(png_structp png, png_infop info) {
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(png, info, &size, &exif) == 0) return 1;
  return ExifOrientation({reinterpret_cast<const char*>(exif), size});
}

}  // namespace

unsigned DecodePng(std::string_view bytes, std::string_view what, const DecodeOptions& options, Image* image) {
  PngReader reader(bytes, what);
  png_structp png = reader.png();
  png_infop info = reader.info();
  reader.Guarded(what, [&] { png_read_info(png, info); });
  // Deflate shrinks to 1/1032 at best; a pixel takes one bit at least.
  constexpr uint64_t kMaxPixelsPerByte = 1032 * 8;
  const uint32_t width = png_get_image_width(png, info);
  const uint32_t height = png_get_image_height(png, info);
  CheckSize(width, height, bytes.size(), kMaxPixelsPerByte, what, options);

  const bool grey = (png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR) == 0;
  image->shape = {.height = height, .width = width, .channels = grey ? 1u : 3u};
  const size_t row_bytes = size_t{width} * image->shape.channels;
  int num_passes = 1;
  reader.Guarded(what, [&] {
    png_set_strip_16(png);
    png_set_expand(png);
    png_set_strip_alpha(png);
    num_passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
  });
  if (png_get_rowbytes(png, info) != row_bytes) {
    Fail(ErrorCode::kInternal, "{}: libpng gives rows of {} bytes, expected {}", what, png_get_rowbytes(png, info),
         row_bytes);
  }
  image->pixels.resize(image->shape.num_bytes());
  uint8_t* pixels = image->pixels.data();
  reader.Guarded(what, [&] {
    for (int pass = 0; pass < num_passes; ++pass) {
      for (uint32_t y = 0; y < height; ++y) png_read_row(png, pixels + y * row_bytes, nullptr);
    }
    png_read_end(png, info);
  });
  return OrientationOf(png, info);
}

}  // namespace decant
