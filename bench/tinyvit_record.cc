#include "tinyvit_record.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace decant {
namespace {

constexpr uint32_t kLargestInt16 = 0x7fff;

template <typename Int>
void AppendInt(std::string* bytes, Int value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename Int>
Int LoadInt(const char* bytes) {
  Int value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace

TinyVitRecord::TinyVitRecord(uint32_t num_classes, uint32_t k)
    : k_(k), id_bytes_(num_classes - 1 <= kLargestInt16 ? 2 : 4), probs_(65536) {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) probs_[bits] = FromFp16(static_cast<uint16_t>(bits));
}

void TinyVitRecord::Append(const LabelBatch& labels, size_t index, int32_t seed, std::string* records) {
  const auto ids = labels.LabelIds(index);
  const auto log_probs = labels.LabelLogProbs(index);
  order_.resize(ids.size());
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    return log_probs[a] > log_probs[b] || (log_probs[a] == log_probs[b] && a < b);
  });
  AppendInt(records, seed);
  for (uint32_t rank = 0; rank < k_; ++rank) {
    const int32_t id = rank < order_.size() ? static_cast<int32_t>(ids[order_[rank]]) : -1;
    if (id_bytes_ == 2) {
      AppendInt(records, static_cast<int16_t>(id));
    } else {
      AppendInt(records, id);
    }
  }
  for (uint32_t rank = 0; rank < k_; ++rank) {
    AppendInt(records, rank < order_.size() ? ToFp16(std::exp(log_probs[order_[rank]])) : uint16_t{0});
  }
}

void TinyVitRecord::Decode(const char* record, LabelBatch* labels) const {
  const char* ids = record + 4;
  const char* probs = ids + k_ * id_bytes_;
  uint32_t count = k_;
  const auto id_at = [&](uint32_t rank) {
    return id_bytes_ == 2 ? LoadInt<int16_t>(ids + 2 * rank) : LoadInt<int32_t>(ids + 4 * rank);
  };
  while (count > 0 && id_at(count - 1) < 0) --count;
  const size_t first = labels->ids.size();
  labels->ids.resize(first + count);
  labels->log_probs.resize(first + count);
  uint32_t* out_ids = labels->ids.data() + first;
  float* out_log_probs = labels->log_probs.data() + first;
  if (id_bytes_ == 2) {
    for (uint32_t rank = 0; rank < count; ++rank)
      out_ids[rank] = static_cast<uint32_t>(LoadInt<int16_t>(ids + 2 * rank));
  } else {
    for (uint32_t rank = 0; rank < count; ++rank) out_ids[rank] = LoadInt<uint32_t>(ids + 4 * rank);
  }
  float sum = 0;
  for (uint32_t rank = 0; rank < count; ++rank) {
    const auto bits = LoadInt<uint16_t>(probs + 2 * rank);
    out_log_probs[rank] = logs_[bits];
    sum += probs_[bits];
  }
  labels->offsets.push_back(static_cast<uint32_t>(labels->ids.size()));
  labels->tail_mass.push_back(1 - sum);
}

}  // namespace decant
