#include "tinyvit_record.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/base/half.h"

namespace decant {
namespace {

constexpr uint16_t kOne = 0x3c00;  // float16

// The fields of a record.
struct Fields {
  explicit Fields(std::string_view record) : reader(record, "record"), k((record.size() - 4) / 4) {
    seed = reader.Get<uint32_t>();
    ids.resize(k);
    probs.resize(k);
    for (uint16_t& id : ids) id = reader.Get<uint16_t>();
    for (uint16_t& prob : probs) prob = reader.Get<uint16_t>();
  }
  ByteReader reader;
  size_t k;
  uint32_t seed = 0;
  std::vector<uint16_t> ids, probs;
};

std::string Join(uint32_t seed, const std::vector<uint16_t>& ids, const std::vector<uint16_t>& probs) {
  ByteWriter writer;
  writer.Put(seed);
  for (const uint16_t id : ids) writer.Put(id);
  for (const uint16_t prob : probs) writer.Put(prob);
  return writer.Take();
}

}  // namespace

uint32_t CheckTinyVitRecord(std::string_view record) {
  const Fields fields(record);
  for (size_t i = 0; i < fields.k; ++i) {
    if (fields.ids[i] >= kMaxTinyVitClasses) {
      Fail(ErrorCode::kInvalidArgument, "entry {}: class {} is negative", i, static_cast<int16_t>(fields.ids[i]));
    }
    if (fields.probs[i] > kOne) {
      Fail(ErrorCode::kInvalidArgument, "entry {}: probability {} is not in [0, 1]", i, Fp16ToFloat(fields.probs[i]));
    }
    if (i > 0 && fields.probs[i] > fields.probs[i - 1]) {
      Fail(ErrorCode::kInvalidArgument, "entry {}: probability {} after {}: they must descend", i,
           Fp16ToFloat(fields.probs[i]), Fp16ToFloat(fields.probs[i - 1]));
    }
  }
  std::vector<uint16_t> sorted = fields.ids;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) Fail(ErrorCode::kInvalidArgument, "class {} comes twice", *twice);
  return sorted.back();
}

void AppendTinyVitRecord(std::string_view record, LabelCodes* codes) {
  const Fields fields(record);
  uint32_t rank = 0;
  for (size_t i = 0; i < fields.k; ++i) {
    rank = i > 0 && fields.probs[i] == fields.probs[i - 1] ? rank + 1 : 0;
    codes->ids.push_back(fields.ids[i]);
    codes->values.push_back(static_cast<uint16_t>(kOne - fields.probs[i]));
    codes->tie_ranks.push_back(rank);
  }
  codes->extras.push_back(fields.seed);
  codes->offsets.push_back(static_cast<uint32_t>(codes->ids.size()));
}

std::string MakeTinyVitRecord(const LabelCodes& codes, size_t index) {
  std::vector<uint32_t> entries(codes.offsets[index + 1] - codes.offsets[index]);
  std::iota(entries.begin(), entries.end(), codes.offsets[index]);
  const auto place = [&](uint32_t entry) {
    return std::tuple(codes.values[entry], codes.tie_ranks.empty() ? 0 : codes.tie_ranks[entry], entry);
  };
  std::sort(entries.begin(), entries.end(), [&](uint32_t a, uint32_t b) { return place(a) < place(b); });
  std::vector<uint16_t> ids, probs;
  for (const uint32_t entry : entries) {
    ids.push_back(static_cast<uint16_t>(codes.ids[entry]));
    probs.push_back(static_cast<uint16_t>(kOne - std::min(codes.values[entry], kOne)));
  }
  return Join(codes.extras.empty() ? 0 : codes.extras[index], ids, probs);
}

std::string MakeRoundedRecord(const std::vector<uint32_t>& ids, const std::vector<float>& log_probs, uint32_t k) {
  std::vector<uint32_t> entries(ids.size());
  std::iota(entries.begin(), entries.end(), 0);
  std::sort(entries.begin(), entries.end(), [&](uint32_t a, uint32_t b) {
    return std::tuple(-log_probs[a], ids[a]) < std::tuple(-log_probs[b], ids[b]);
  });
  std::vector<uint16_t> record_ids, probs;
  for (const uint32_t entry : entries) {
    record_ids.push_back(static_cast<uint16_t>(ids[entry]));
    probs.push_back(FloatToFp16(std::exp(log_probs[entry])));
  }
  for (uint16_t id = 0; record_ids.size() < k; ++id) {
    if (std::find(ids.begin(), ids.end(), id) != ids.end()) continue;
    record_ids.push_back(id);
    probs.push_back(0);
  }
  return Join(0, record_ids, probs);
}

}  // namespace decant
