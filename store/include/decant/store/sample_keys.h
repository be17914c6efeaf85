#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace decant {

// What the samples of an imported store are called elsewhere: a line of text for each, by sample id.
class SampleKeys {
 public:
  // kInvalidArgument for a key that is empty or has a line break.
  void Append(std::string_view key);

  size_t size() const { return ends_.size(); }
  // Without the line break. Valid until the next Append().
  std::string_view operator[](size_t sample_id) const {
    const size_t begin = sample_id == 0 ? 0 : ends_[sample_id - 1];
    return std::string_view(text_).substr(begin, ends_[sample_id] - begin - 1);
  }
  // All keys, each followed by a line break.
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::vector<uint64_t> ends_;  // [size()] of each line, break included
};

// The records that hold a store's keys, one for each kKeysPerRecord of them (docs/format.md), and back. kDataLoss for
// records that are not the keys of `num_samples` samples.
inline constexpr uint64_t kKeysPerRecord = 1 << 16;
std::vector<std::string> EncodeSampleKeys(const SampleKeys& keys);
SampleKeys DecodeSampleKeys(const std::vector<std::string>& records, uint64_t num_samples);

}  // namespace decant
