#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/store/chunk_codec.h"
#include "decant/store/layout.h"

namespace decant {

// Which classes of a distribution a label lists.
struct Selection {
  enum Kind : uint8_t {
    kTopK,    // the k likeliest; of equal ones the smaller id
    kTopP,    // the fewest that have the probability `p` together, at most k
    kSample,  // k by threshold sampling: unbiased
  };
  Kind kind = kTopK;
  double p = 0;

  bool operator==(const Selection&) const = default;
};

// From what the codec tables were learnt.
struct Calibration {
  uint32_t num_labels = 0;  // 0: the default tables
  Prior prior = Prior::kLearnt;

  bool operator==(const Calibration&) const = default;
};

// What a store means. Written once, before the first span. The binding part must be equal on resume, field by field;
// `provenance` is recorded and reported.
struct Schema {
  // Binding, used by the store itself.
  Layout layout;
  CodecParams codec;
  Selection selection;
  Calibration calibration;
  uint64_t seed = 0;  // key of orders, views and samples
  // Frozen with the rest; a schema that is still to be compared with a store's may lack them.
  std::shared_ptr<const CodecTables> tables;

  // Binding, objects that the folders above the store fill and understand.
  nlohmann::json dataset = nlohmann::json::object();  // data/: kind, fingerprint, shape
  nlohmann::json order = nlohmann::json::object();    // data/: kind, version
  nlohmann::json views = nlohmann::json::object();    // data/: operations and their ranges, version
  nlohmann::json teacher =
      nlohmann::json::object();  // producer/: digest, output, precision, normalisation, batch shape

  // Not binding: when, where and with which libraries the store was begun, and the resolved job.
  nlohmann::json provenance = nlohmann::json::object();
};

// From their names: "log_probs", "fp16_probs", "bf16_logits", "fp16_logits"; "top_k", "top_p", "sample"; "none",
// "learnt". kInvalidArgument for any other.
Values ParseValues(const std::string& name);
Selection::Kind ParseSelection(const std::string& name);
Prior ParsePrior(const std::string& name);

// kInvalidArgument, naming the key, when no store can have this schema.
void ValidateSchema(const Schema& schema);
// The codec of a store. With the default tables when the schema has none.
ChunkCodec MakeCodec(const Schema& schema);

// The binding part as JSON: keys in alphabetical order, no spaces. Equal schemas give equal texts.
std::string SchemaText(const Schema& schema);
// Reads SchemaText() and EncodeTables(), which belong together by the tables' digest in the text; kDataLoss for
// anything else. `provenance` stays empty.
Schema ParseSchema(std::string_view text, std::string_view tables);
// SHA-256 of SchemaText(), hexadecimal.
std::string SchemaDigest(const Schema& schema);

// A field of the binding part that differs, as a path ("labels.k") and JSON values.
struct SchemaDifference {
  std::string field;
  std::string expected;
  std::string found;
};
std::vector<SchemaDifference> CompareSchemas(const Schema& expected, const Schema& found);

// The digest of a complete store's content: SHA-256 over the schema digest's text and, span by span, the content
// digests of the ledger. It does not depend on who wrote what when.
std::string StoreDigest(const Schema& schema, const std::vector<Digest128>& span_digests);

}  // namespace decant
