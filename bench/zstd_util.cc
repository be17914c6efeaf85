#include <zstd.h>

#include "decant/base/error.h"

#include "label_codec.h"

namespace decant {
namespace {

size_t Checked(size_t result) {
  if (ZSTD_isError(result)) Fail(ErrorCode::kInternal, "zstd: {}", ZSTD_getErrorName(result));
  return result;
}

}  // namespace

std::string ZstdCompress(std::string_view bytes, int level) {
  std::string compressed(ZSTD_compressBound(bytes.size()), '\0');
  compressed.resize(Checked(ZSTD_compress(compressed.data(), compressed.size(), bytes.data(), bytes.size(), level)));
  return compressed;
}

std::string ZstdDecompress(std::string_view bytes) {
  std::string restored(Checked(ZSTD_getFrameContentSize(bytes.data(), bytes.size())), '\0');
  restored.resize(Checked(ZSTD_decompress(restored.data(), restored.size(), bytes.data(), bytes.size())));
  return restored;
}

}  // namespace decant
