#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace decant {

// Enum values are names in the schema ("global", "dataset").
enum class OrderKind {
  kGlobal,   // a fresh random permutation of all samples in every epoch
  kDataset,  // position = sample id
};

std::string_view OrderKindName(OrderKind kind);
// kInvalidArgument, with the known names, for another one.
OrderKind ParseOrderKind(std::string_view name);

struct OrderSpec {
  OrderKind kind = OrderKind::kGlobal;
  // So many epochs in a row have the same order, so that a sample that was decoded once serves as many views.
  uint32_t epochs_per_order = 1;

  OrderSpec() = default;
  OrderSpec(OrderKind a_kind, uint32_t an_epochs_per_order = 1) : kind(a_kind), epochs_per_order(an_epochs_per_order) {}
  bool operator==(const OrderSpec&) const = default;
};

// What the schema records of an order, and back. kMismatch for a version that this build does not have.
nlohmann::json OrderIdentity(const OrderSpec& spec);
OrderSpec OrderFromIdentity(const nlohmann::json& identity);

// An epoch's permutation position -> sample id, a pure function of (seed, epoch), without a table: a Feistel network
// over the smallest power of two that holds all samples, walked along its cycle until it lands inside (Black and
// Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). Known answers: docs/randomness.md. Immutable.
class Order {
 public:
  // num_samples in [1, 2^48]; spec.epochs_per_order at least 1.
  Order(const OrderSpec& spec, uint64_t seed, uint32_t epoch, uint64_t num_samples);

  uint64_t num_samples() const { return num_samples_; }
  // position, sample_id in [0, num_samples()). Inverse of each other.
  uint64_t SampleAt(uint64_t position) const;
  uint64_t PositionOf(uint64_t sample_id) const;

 private:
  static constexpr unsigned kNumRounds = 8;
  uint64_t Permute(uint64_t value) const;
  uint64_t Unpermute(uint64_t value) const;

  OrderKind kind_;
  uint64_t num_samples_;
  unsigned high_bits_ = 0;  // bits of the part that a round changes, then of the other part
  unsigned low_bits_ = 0;
  std::array<uint64_t, kNumRounds> keys_{};
};

}  // namespace decant
