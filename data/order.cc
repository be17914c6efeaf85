#include "decant/data/order.h"

#include <bit>
#include <utility>

#include "decant/base/error.h"
#include "decant/base/random.h"

namespace decant {
namespace {

constexpr int kOrderVersion = 1;

// 32 well-mixed bits of (half, key).
uint64_t RoundFunction(uint64_t half, uint64_t key) {
  uint64_t h = (half ^ key) * 0x9e3779b97f4a7c15;
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93;
  return h >> 32;
}

uint64_t Mask(unsigned bits) {
  return (uint64_t{1} << bits) - 1;
}

}  // namespace

std::string_view OrderKindName(OrderKind kind) {
  return kind == OrderKind::kGlobal ? "global" : "dataset";
}

OrderKind ParseOrderKind(std::string_view name) {
  if (name == "global") return OrderKind::kGlobal;
  if (name == "dataset") return OrderKind::kDataset;
  Fail(ErrorCode::kInvalidArgument, "order '{}' is not known; use 'global' or 'dataset'", name);
}

nlohmann::json OrderIdentity(const OrderSpec& spec) {
  nlohmann::json identity = {{"kind", OrderKindName(spec.kind)}, {"version", kOrderVersion}};
  if (spec.epochs_per_order != 1) identity["epochs_per_order"] = spec.epochs_per_order;
  return identity;
}

OrderSpec OrderFromIdentity(const nlohmann::json& identity) {
  nlohmann::json epochs = 1u;
  if (identity.is_object() && identity.contains("epochs_per_order")) epochs = identity["epochs_per_order"];
  for (const OrderKind kind : {OrderKind::kGlobal, OrderKind::kDataset}) {
    const OrderSpec spec(kind, epochs.is_number_unsigned() ? epochs.get<uint32_t>() : 0);
    if (spec.epochs_per_order > 0 && identity == OrderIdentity(spec)) return spec;
  }
  Fail(ErrorCode::kMismatch, "order: this build has version {} of 'global' and 'dataset', the store has {}",
       kOrderVersion, identity.dump());
}

Order::Order(const OrderSpec& spec, uint64_t seed, uint32_t epoch, uint64_t num_samples)
    : kind_(spec.kind), num_samples_(num_samples) {
  constexpr uint64_t kMaxSamples = uint64_t{1} << 48;
  if (num_samples == 0 || num_samples > kMaxSamples) {
    Fail(ErrorCode::kInvalidArgument, "an order of {} samples; expected 1 to 2^48", num_samples);
  }
  if (spec.epochs_per_order == 0) Fail(ErrorCode::kInvalidArgument, "views.epochs_per_order must be at least 1");
  const unsigned bits = static_cast<unsigned>(std::bit_width(num_samples - 1));
  low_bits_ = bits / 2;
  high_bits_ = bits - low_bits_;
  for (unsigned round = 0; round < kNumRounds; ++round) {
    const auto block = PhiloxBlock(seed, RandomPurpose::kOrder, epoch / spec.epochs_per_order, round, 0);
    keys_[round] = block[0] | uint64_t{block[1]} << 32;
  }
}

uint64_t Order::Permute(uint64_t value) const {
  unsigned high = high_bits_;
  unsigned low = low_bits_;
  for (const uint64_t key : keys_) {
    const uint64_t low_part = value & Mask(low);
    const uint64_t changed = (value >> low ^ RoundFunction(low_part, key)) & Mask(high);
    value = low_part << high | changed;
    std::swap(high, low);
  }
  return value;
}

uint64_t Order::Unpermute(uint64_t value) const {
  unsigned high = high_bits_;
  unsigned low = low_bits_;
  for (unsigned round = kNumRounds; round-- > 0;) {
    std::swap(high, low);
    const uint64_t low_part = value >> high;
    const uint64_t changed = (value & Mask(high)) ^ (RoundFunction(low_part, keys_[round]) & Mask(high));
    value = changed << low | low_part;
  }
  return value;
}

uint64_t Order::SampleAt(uint64_t position) const {
  if (kind_ == OrderKind::kDataset) return position;
  do position = Permute(position);
  while (position >= num_samples_);
  return position;
}

uint64_t Order::PositionOf(uint64_t sample_id) const {
  if (kind_ == OrderKind::kDataset) return sample_id;
  do sample_id = Unpermute(sample_id);
  while (sample_id >= num_samples_);
  return sample_id;
}

}  // namespace decant
