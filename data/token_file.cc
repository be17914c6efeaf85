#include "token_file.h"

#include <bit>

#include "decant/base/error.h"

#include "npy_file.h"

namespace decant {

static_assert(std::endian::native == std::endian::little, "tokens are read as they lie in the file");

TokenFile::TokenFile(const std::string& path, const std::string& dtype) {
  if (path.ends_with(".npy")) {
    const NpyFile array(path);
    if (array.shape().size() != 1 || (array.descr() != "<u2" && array.descr() != "<u4")) {
      Fail(ErrorCode::kInvalidArgument, "{}: expected tokens, uint16 or uint32 [N], found '{}' of {} axes", path,
           array.descr(), array.shape().size());
    }
    token_bytes_ = array.descr() == "<u2" ? 2 : 4;
    offset_ = array.offset();
  } else {
    token_bytes_ = dtype == "uint16" ? 2 : 4;
  }
  file_ = std::make_unique<InputFile>(path);
  if ((file_->size() - offset_) % token_bytes_ != 0) {
    Fail(ErrorCode::kInvalidArgument, "{}: {} bytes are no whole number of tokens of {} bytes; is data.dtype {}?", path,
         file_->size(), token_bytes_, dtype);
  }
  num_tokens_ = (file_->size() - offset_) / token_bytes_;
  if (num_tokens_ == 0) Fail(ErrorCode::kInvalidArgument, "{}: no tokens", path);
}

void TokenFile::Read(uint64_t begin, uint32_t count, std::vector<uint32_t>* tokens) const {
  tokens->resize(count);
  char* bytes = reinterpret_cast<char*>(tokens->data());
  if (token_bytes_ == sizeof(uint32_t)) return file_->ReadAt(offset_ + begin * token_bytes_, bytes, size_t{count} * 4);
  thread_local std::vector<uint16_t> narrow;
  narrow.resize(count);
  file_->ReadAt(offset_ + begin * token_bytes_, narrow.data(), size_t{count} * 2);
  std::copy(narrow.begin(), narrow.end(), tokens->begin());
}

}  // namespace decant
