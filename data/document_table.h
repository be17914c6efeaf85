#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "decant/base/hash.h"

#include "input_file.h"
#include "token_file.h"

namespace decant {

// The documents of a token file, cut into samples of at most `window` tokens, 0 for whole documents: an offset file of
// little-endian u64, num_documents + 1 of them, in tokens. Documents of no tokens have no samples. The offsets stay on
// disk; one number for each kStride documents is held in memory. Thread-safe.
class DocumentTable {
 public:
  // Reads all offsets once. kInvalidArgument for offsets that descend, or do not begin at 0 and end with the tokens.
  DocumentTable(const std::string& path, const TokenFile& tokens, uint32_t window);

  struct Span {
    uint64_t begin = 0;  // first token
    uint32_t count = 0;
  };
  uint64_t num_samples() const { return num_samples_; }
  uint64_t num_documents() const { return num_documents_; }
  // Tokens of the longest sample.
  uint32_t max_tokens() const { return max_tokens_; }
  // XXH3-128 of the offsets.
  const Digest128& digest() const { return digest_; }
  // sample_id in [0, num_samples()).
  Span Find(uint64_t sample_id) const;

  static constexpr uint64_t kStride = 256;

 private:
  uint64_t NumWindows(uint64_t num_tokens) const;

  InputFile file_;
  uint32_t window_;
  uint64_t num_documents_ = 0;
  uint64_t num_samples_ = 0;
  uint32_t max_tokens_ = 0;
  Digest128 digest_{};
  std::vector<uint64_t> first_samples_;  // of documents 0, kStride, 2 * kStride, ...
};

}  // namespace decant
