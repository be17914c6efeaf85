#include "npy_file.h"

#include <algorithm>

#include "decant/base/error.h"

namespace decant {

NpyFile::NpyFile(const std::string& path) : file_(path) {
  constexpr uint64_t kMaxHeaderBytes = 128 << 10;
  std::string start(std::min(file_.size(), kMaxHeaderBytes), '\0');
  file_.ReadAt(0, start.data(), start.size());
  header_ = ParseNpyHeader(start, path);
  if (file_.size() - header_.offset != header_.num_bytes) {
    Fail(ErrorCode::kDataLoss, "{}: expected {} bytes of elements, found {}", path, header_.num_bytes,
         file_.size() - header_.offset);
  }
}

}  // namespace decant
