#include "decant/store/schema.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "decant/base/error.h"
#include "decant/base/hash.h"

namespace decant {
namespace {

using nlohmann::json;

// Names that reach the disk, in the order of the enumerations.
constexpr std::array<const char*, 4> kValuesNames = {"log_probs", "fp16_probs", "bf16_logits", "fp16_logits"};
constexpr std::array<const char*, 3> kSelectionNames = {"top_k", "top_p", "sample"};
constexpr std::array<const char*, 2> kPriorNames = {"none", "learnt"};

template <typename Enum, size_t N>
Enum ParseName(const std::array<const char*, N>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    Fail(ErrorCode::kInvalidArgument, "'{}' is not one of {}", name, fmt::join(names, ", "));
  }
  return static_cast<Enum>(found - names.begin());
}

// Nesting that no schema needs would exhaust the stack of those who walk it.
json ParseShallow(std::string_view text) {
  static constexpr int kMaxDepth = 32;
  return json::parse(text, [](int depth, json::parse_event_t, json&) {
    if (depth > kMaxDepth) Fail(ErrorCode::kDataLoss, "more than {} levels deep", kMaxDepth);
    return true;
  });
}

// Bytes that are not UTF-8 (a path, a host name) become U+FFFD.
std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

template <typename Int>
void GetInteger(const json& object, const char* key, Int* value) {
  const json& number = object.at(key);
  if (!number.is_number_unsigned() || number.get<uint64_t>() > std::numeric_limits<Int>::max()) {
    Fail(ErrorCode::kDataLoss, "{} is {}, not a whole number of at most {}", key, Dump(number),
         std::numeric_limits<Int>::max());
  }
  *value = number.get<Int>();
}

json SchemaJson(const Schema& schema) {
  const CodecParams& codec = schema.codec;
  json selection = {{"kind", kSelectionNames[schema.selection.kind]}};
  if (schema.selection.kind == Selection::kTopP) selection["p"] = schema.selection.p;
  json labels = {{"k", codec.k},
                 {"num_classes", codec.num_classes},
                 {"selection", selection},
                 {"temperatures", codec.temperatures},
                 {"true_label", codec.true_label},
                 {"windows", codec.windows}};
  if (codec.view_fingerprints) labels["view_fingerprints"] = true;
  return {
      {"codec",
       {{"calibration_labels", schema.calibration.num_labels},
        {"delta", codec.delta},
        {"max_delta", codec.max_delta},
        {"prior", kPriorNames[static_cast<size_t>(schema.calibration.prior)]},
        {"record_order", codec.record_order},
        {"tables", schema.tables ? "sha256:" + Sha256Hex(EncodeTables(codec, *schema.tables)) : ""},
        {"values", kValuesNames[static_cast<size_t>(codec.values)]}}},
      {"dataset", schema.dataset},
      {"labels", labels},
      {"layout",
       {{"chunk_size", schema.layout.chunk_size},
        {"num_epochs", schema.layout.num_epochs},
        {"num_samples", schema.layout.num_samples},
        {"span_chunks", schema.layout.span_chunks}}},
      {"order", schema.order},
      {"seed", schema.seed},
      {"teacher", schema.teacher},
      {"views", schema.views},
  };
}

// Appends the paths at which two JSON values differ; nullptr stands for no value. Arrays are compared as a whole.
void Compare(const std::string& path, const json* expected, const json* found,
             std::vector<SchemaDifference>* differences) {
  if (expected && found && *expected == *found) return;
  if (!expected || !found || !expected->is_object() || !found->is_object()) {
    differences->push_back({path, expected ? Dump(*expected) : "nothing", found ? Dump(*found) : "nothing"});
    return;
  }
  std::set<std::string> keys;
  for (const auto& [key, value] : expected->items()) keys.insert(key);
  for (const auto& [key, value] : found->items()) keys.insert(key);
  const auto find = [](const json& object, const std::string& key) {
    const auto value = object.find(key);
    return value == object.end() ? nullptr : &*value;
  };
  for (const std::string& key : keys) {
    Compare(path.empty() ? key : path + "." + key, find(*expected, key), find(*found, key), differences);
  }
}

}  // namespace

void ValidateSchema(const Schema& schema) {
  schema.layout.Validate();
  MakeCodec(schema);  // checks the codec's part
  constexpr uint64_t kMaxChunkEntries = uint64_t{1} << 29;
  if (uint64_t{schema.layout.chunk_size} * schema.codec.k > kMaxChunkEntries) {
    Fail(ErrorCode::kInvalidArgument, "labels.chunk_size {} x labels.k {} is more than 2^29 entries in a chunk",
         schema.layout.chunk_size, schema.codec.k);
  }
  if (schema.selection.kind == Selection::kTopP && !(schema.selection.p > 0 && schema.selection.p < 1)) {
    Fail(ErrorCode::kInvalidArgument, "labels.p is {}, but must be above 0 and below 1", schema.selection.p);
  }
  if (schema.selection.kind == Selection::kSample &&
      (schema.codec.values != Values::kLogProbs || schema.codec.temperatures.size() > 1)) {
    Fail(ErrorCode::kInvalidArgument, "sampled labels have log-probabilities at one temperature");
  }
}

ChunkCodec MakeCodec(const Schema& schema) {
  return schema.tables ? ChunkCodec(schema.codec, *schema.tables) : ChunkCodec(schema.codec);
}

Values ParseValues(const std::string& name) {
  return ParseName<Values>(kValuesNames, name);
}

Selection::Kind ParseSelection(const std::string& name) {
  return ParseName<Selection::Kind>(kSelectionNames, name);
}

Prior ParsePrior(const std::string& name) {
  return ParseName<Prior>(kPriorNames, name);
}

std::string SchemaText(const Schema& schema) {
  return Dump(SchemaJson(schema));
}

Schema ParseSchema(std::string_view text, std::string_view tables) {
  try {
    const json object = ParseShallow(text);
    Schema schema;
    GetInteger(object.at("layout"), "num_samples", &schema.layout.num_samples);
    GetInteger(object.at("layout"), "num_epochs", &schema.layout.num_epochs);
    GetInteger(object.at("layout"), "chunk_size", &schema.layout.chunk_size);
    GetInteger(object.at("layout"), "span_chunks", &schema.layout.span_chunks);
    GetInteger(object.at("labels"), "num_classes", &schema.codec.num_classes);
    GetInteger(object.at("labels"), "k", &schema.codec.k);
    schema.codec.temperatures = object.at("labels").at("temperatures").get<std::vector<double>>();
    schema.codec.true_label = object.at("labels").at("true_label");
    schema.codec.windows = object.at("labels").at("windows");
    schema.codec.view_fingerprints = object.at("labels").value("view_fingerprints", false);
    const json& selection = object.at("labels").at("selection");
    schema.selection.kind = ParseSelection(selection.at("kind"));
    schema.selection.p = selection.value("p", 0.0);
    const json& codec = object.at("codec");
    schema.codec.values = ParseValues(codec.at("values"));
    schema.codec.delta = codec.at("delta");
    schema.codec.max_delta = codec.at("max_delta");
    schema.codec.record_order = codec.at("record_order");
    GetInteger(codec, "calibration_labels", &schema.calibration.num_labels);
    schema.calibration.prior = ParsePrior(codec.at("prior"));
    GetInteger(object, "seed", &schema.seed);
    schema.dataset = object.at("dataset");
    schema.order = object.at("order");
    schema.views = object.at("views");
    schema.teacher = object.at("teacher");
    schema.tables = std::make_shared<CodecTables>(ParseTables(schema.codec, tables));
    ValidateSchema(schema);
    // A field that this build does not know would be lost here, and other tables decode to other labels: refuse them.
    if (SchemaText(schema) != text) {
      Fail(ErrorCode::kDataLoss, "written by another version of decant, or with other codec tables: {}", text);
    }
    return schema;
  } catch (const json::exception& error) {
    Fail(ErrorCode::kDataLoss, "schema: {}", error.what());
  } catch (const Error& error) {
    Fail(ErrorCode::kDataLoss, "schema: {}", error.what());
  }
}

std::string SchemaDigest(const Schema& schema) {
  return Sha256Hex(SchemaText(schema));
}

std::vector<SchemaDifference> CompareSchemas(const Schema& expected, const Schema& found) {
  std::vector<SchemaDifference> differences;
  const json expected_fields = SchemaJson(expected);
  const json found_fields = SchemaJson(found);
  Compare("", &expected_fields, &found_fields, &differences);
  return differences;
}

std::string StoreDigest(const Schema& schema, const std::vector<Digest128>& span_digests) {
  std::string content = SchemaDigest(schema);
  for (const Digest128& digest : span_digests) content.append(digest.begin(), digest.end());
  return Sha256Hex(content);
}

}  // namespace decant
