#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decant {

// Writes rows that have one value everywhere but for a few entries, past the caches: for more memory than they hold. A
// line of memory is written once, whole, where a store would first fetch it. One thread's, for one row after the other.
class RowStreamer {
 public:
  // Number is float or uint16_t. `ids`, each once and below row.size(), have the values `values`.
  template <typename Number>
  void Write(std::span<Number> row, Number fill, std::span<const uint32_t> ids, std::span<const Number> values);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> first_of_line_;  // entry, kNone between rows
  std::vector<uint32_t> next_;           // entry of the same line
  std::vector<uint64_t> used_lines_;     // bits
};

}  // namespace decant
