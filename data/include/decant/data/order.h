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

// What the schema records of an order, and back. kMismatch for a version that this build does not have.
nlohmann::json OrderIdentity(OrderKind kind);
OrderKind OrderFromIdentity(const nlohmann::json& identity);

// An epoch's permutation position -> sample id, a pure function of (seed, epoch), without a table: a Feistel network
// over the smallest power of two that holds all samples, walked along its cycle until it lands inside (Black and
// Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). Known answers: docs/randomness.md. Immutable.
class Order {
 public:
  // num_samples in [1, 2^48].
  Order(OrderKind kind, uint64_t seed, uint32_t epoch, uint64_t num_samples);

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
