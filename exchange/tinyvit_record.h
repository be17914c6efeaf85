#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decant/store/label_codes.h"

namespace decant {

// TinyViT's record of one label: int32 seed, K x int16 class, K x float16 probability, likeliest first, little-endian.
constexpr size_t TinyVitRecordBytes(uint32_t k) {
  return 4 + size_t{4} * k;
}
inline constexpr uint32_t kMaxTinyVitClasses = 0x8000;

// The largest class of a record. kInvalidArgument for a record that is not a label: a negative class or one that comes
// twice, a probability outside [0, 1], -0, or larger than the one before it. The message does not say which record.
uint32_t CheckTinyVitRecord(std::string_view record);
// Appends a sound record to codes of float16 probabilities with the order of records.
void AppendTinyVitRecord(std::string_view record, LabelCodes* codes);

// The bytes of label `index` of such codes; of equal entries without ranks the one listed first comes first, and the
// seed of a label without extras is 0.
std::string MakeTinyVitRecord(const LabelCodes& codes, size_t index);
// The same of probabilities that are rounded to float16. Fills up to k entries with probability 0 and the smallest
// classes that are not listed.
std::string MakeRoundedRecord(const std::vector<uint32_t>& ids, const std::vector<float>& log_probs, uint32_t k);

}  // namespace decant
