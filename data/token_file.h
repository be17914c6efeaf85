#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "input_file.h"

namespace decant {

// A file of token ids of one width: `.npy` (1-D, uint16 or uint32), or anything else as plain little-endian integers of
// `dtype`. The tokens stay on disk. Thread-safe.
class TokenFile {
 public:
  // kNotFound, kUnavailable; kDataLoss for a damaged .npy, kInvalidArgument for one of other elements, and for a file
  // of no tokens or of parts of one.
  TokenFile(const std::string& path, const std::string& dtype);

  const InputFile& file() const { return *file_; }
  // Of the first token in the file.
  uint64_t offset() const { return offset_; }
  uint32_t token_bytes() const { return token_bytes_; }
  uint64_t num_tokens() const { return num_tokens_; }
  uint64_t num_bytes() const { return num_tokens_ * token_bytes_; }
  // Tokens [begin, begin + count) into re-used memory. kDataLoss when the file has become shorter.
  void Read(uint64_t begin, uint32_t count, std::vector<uint32_t>* tokens) const;

 private:
  std::unique_ptr<InputFile> file_;
  uint64_t offset_ = 0;
  uint32_t token_bytes_ = 0;
  uint64_t num_tokens_ = 0;
};

}  // namespace decant
