#include "document_table.h"

#include <algorithm>

#include "decant/base/error.h"

namespace decant {

DocumentTable::DocumentTable(const std::string& path, const TokenFile& tokens, uint32_t window)
    : file_(path), window_(window == 0 ? UINT32_MAX : window) {
  if (file_.size() % sizeof(uint64_t) != 0 || file_.size() < 2 * sizeof(uint64_t)) {
    Fail(ErrorCode::kInvalidArgument,
         "{}: {} bytes; expected token offsets of 8 bytes each, one more than there are documents (data.documents)",
         path, file_.size());
  }
  num_documents_ = file_.size() / sizeof(uint64_t) - 1;
  Xxh3Stream digest;
  std::vector<uint64_t> offsets;
  uint64_t last = 0;
  for (uint64_t begin = 0; begin <= num_documents_; begin += kStride) {
    offsets.resize(std::min(kStride, num_documents_ + 1 - begin));
    file_.ReadAt(begin * sizeof(uint64_t), offsets.data(), offsets.size() * sizeof(uint64_t));
    digest.Update(offsets.data(), offsets.size() * sizeof(uint64_t));
    for (uint64_t i = 0; i < offsets.size(); ++i) {
      const bool first = begin + i == 0;
      if (first ? offsets[i] != 0 : offsets[i] < last) {
        Fail(ErrorCode::kInvalidArgument, "{}: offset {} is {}, expected {}{} (data.documents)", path, begin + i,
             offsets[i], first ? "" : "at least ", last);
      }
      const uint64_t num_tokens = offsets[i] - last;
      if (window_ == UINT32_MAX && num_tokens > UINT32_MAX) {
        Fail(ErrorCode::kInvalidArgument, "{}: document {} has {} tokens; set data.window", path, begin + i - 1,
             num_tokens);
      }
      max_tokens_ = std::max(max_tokens_, static_cast<uint32_t>(std::min<uint64_t>(num_tokens, window_)));
      num_samples_ += NumWindows(num_tokens);
      last = offsets[i];
      if (i == 0) first_samples_.push_back(num_samples_);
    }
  }
  if (last != tokens.num_tokens()) {
    Fail(ErrorCode::kInvalidArgument,
         "{}: the documents end at token {}, {} ends at {} of {} bytes each; are data.dtype and data.documents right?",
         path, last, tokens.file().path(), tokens.num_tokens(), tokens.token_bytes());
  }
  digest_ = digest.Digest();
}

uint64_t DocumentTable::NumWindows(uint64_t num_tokens) const {
  return num_tokens / window_ + (num_tokens % window_ != 0);
}

DocumentTable::Span DocumentTable::Find(uint64_t sample_id) const {
  const auto after = std::upper_bound(first_samples_.begin(), first_samples_.end(), sample_id);
  const uint64_t block = static_cast<uint64_t>(after - first_samples_.begin()) - 1;
  uint64_t offsets[kStride + 1];
  const uint64_t count = std::min(kStride, num_documents_ - block * kStride);
  file_.ReadAt(block * kStride * sizeof(uint64_t), offsets, (count + 1) * sizeof(uint64_t));
  uint64_t first = first_samples_[block];
  for (uint64_t i = 0; i < count && offsets[i] <= offsets[i + 1]; ++i) {
    const uint64_t num_tokens = offsets[i + 1] - offsets[i];
    const uint64_t num_windows = NumWindows(num_tokens);
    if (sample_id < first + num_windows) {
      const uint64_t skipped = (sample_id - first) * window_;
      return {.begin = offsets[i] + skipped,
              .count = static_cast<uint32_t>(std::min<uint64_t>(window_, num_tokens - skipped))};
    }
    first += num_windows;
  }
  Fail(ErrorCode::kDataLoss, "{}: has changed since it was opened", file_.path());
}

}  // namespace decant
