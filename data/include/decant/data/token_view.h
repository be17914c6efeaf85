#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/data/order.h"
#include "decant/data/source.h"

namespace decant {

// What a view shows of a sample's tokens: all as they are (mask 0, causal language models), or some replaced, which are
// to be predicted (masked language models, as BERT draws them: Devlin et al., "BERT", NAACL 2019).
struct TokenViewSpec {
  double mask = 0;           // probability that a position is predicted, in [0, 1]; BERT's is 0.15
  double mask_random = 0.1;  // share of these that become any token, in [0, 1]
  double mask_keep = 0.1;    // share of these that stay, in [0, 1 - mask_random]; the others become mask_token
  uint32_t mask_token = 0;   // below vocabulary
  uint32_t vocabulary = 0;   // token ids are below it
  // Never predicted: separators, the padding of the data. Any order, each below vocabulary.
  std::vector<uint32_t> special_tokens;

  bool operator==(const TokenViewSpec&) const = default;

  // kInvalidArgument, naming the key, when a field is out of bounds. Without masks the other fields mean nothing.
  void Validate() const;
};

// What the schema records of views of tokens, and back. The special tokens come back ascending, each once; what means
// nothing does not come back. kMismatch for a version or a field that this build does not have.
nlohmann::json TokenViewIdentity(const TokenViewSpec& spec);
TokenViewSpec TokenViewSpecFromIdentity(const nlohmann::json& identity);

// What teacher and student see of a sample.
struct TokenView {
  uint64_t sample_id = 0;
  std::vector<uint32_t> inputs;     // the sample's tokens, some of them replaced
  std::vector<uint32_t> positions;  // those with labels, ascending: all, or those that are predicted
  uint64_t hash = 0;                // XXH3-64 of the sample's own tokens, as Source::ContentHash() has it
  uint16_t fingerprint = 0;         // of all that was drawn; never 0xffff

  bool operator==(const TokenView&) const = default;
};

// A pure function of its arguments: each position is drawn alone. Of a masked view at least one position is predicted,
// if not all tokens are special. Takes 1 to 65,536 tokens, any number without masks; kInvalidArgument for more. Known
// answers: docs/randomness.md.
TokenView DrawTokenView(const TokenViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id,
                        std::vector<uint32_t> tokens);

// The views of a dataset's samples. Immutable; thread-safe.
class TokenViewer {
 public:
  // `source` must outlive the viewer. kInvalidArgument for a spec that is not valid, or samples that are too long.
  TokenViewer(const TokenSource& source, const TokenViewSpec& spec, const OrderSpec& order, uint64_t seed);

  const TokenSource& source() const { return source_; }
  // Whether positions are predicted that are masked, and not the next one's token.
  bool masked() const { return spec_.mask > 0; }
  // Dataset, views, order and seed, as a schema records them.
  nlohmann::json Identity() const;

  Order OrderOf(uint32_t epoch) const { return Order(order_, seed_, epoch, source_.num_samples()); }
  // The view at `position` of `epoch`, whose order is `order`. Throws what reading the tokens throws.
  TokenView ViewAt(const Order& order, uint32_t epoch, uint64_t position) const;

 private:
  const TokenSource& source_;
  TokenViewSpec spec_;
  OrderSpec order_;
  uint64_t seed_;
};

}  // namespace decant
