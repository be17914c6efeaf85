#include "decant/store/schema.h"

#include <set>

#include "decant/base/error.h"
#include "decant/base/hash.h"

namespace decant {
namespace {

using nlohmann::json;

json SchemaJson(const Schema& schema) {
  return {
      {"codec", {{"delta", schema.codec.delta}, {"name", "packed"}}},
      {"dataset", schema.dataset},
      {"labels",
       {{"k", schema.codec.k},
        {"num_classes", schema.codec.num_classes},
        {"selection", "top_k"},
        {"temperature", schema.temperature}}},
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

// Bytes that are not UTF-8 (a path, a host name) become U+FFFD.
std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
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
  const ChunkCodec codec(schema.codec);  // checks num_classes, k and delta
  constexpr uint64_t kMaxChunkEntries = uint64_t{1} << 29;
  if (uint64_t{schema.layout.chunk_size} * schema.codec.k > kMaxChunkEntries) {
    Fail(ErrorCode::kInvalidArgument, "labels.chunk_size {} x labels.k {} is more than 2^29 entries in a chunk",
         schema.layout.chunk_size, schema.codec.k);
  }
  if (!(schema.temperature > 0 && schema.temperature < 1e6)) {
    Fail(ErrorCode::kInvalidArgument, "labels.temperature is {}, but must be above 0 and below 10^6",
         schema.temperature);
  }
}

std::string SchemaText(const Schema& schema) {
  return Dump(SchemaJson(schema));
}

Schema ParseSchema(std::string_view text) {
  try {
    const json object = json::parse(text);
    Schema schema;
    schema.layout.num_samples = object.at("layout").at("num_samples");
    schema.layout.num_epochs = object.at("layout").at("num_epochs");
    schema.layout.chunk_size = object.at("layout").at("chunk_size");
    schema.layout.span_chunks = object.at("layout").at("span_chunks");
    schema.codec.num_classes = object.at("labels").at("num_classes");
    schema.codec.k = object.at("labels").at("k");
    schema.codec.delta = object.at("codec").at("delta");
    schema.temperature = object.at("labels").at("temperature");
    schema.seed = object.at("seed");
    schema.dataset = object.at("dataset");
    schema.order = object.at("order");
    schema.views = object.at("views");
    schema.teacher = object.at("teacher");
    ValidateSchema(schema);
    // A name, a selection or a field that this build does not know would be lost here: refuse it.
    if (SchemaText(schema) != text) Fail(ErrorCode::kDataLoss, "written by another version of decant: {}", text);
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
