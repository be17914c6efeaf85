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

}  // namespace

std::string SchemaText(const Schema& schema) { return SchemaJson(schema).dump(); }

Schema ParseSchema(std::string_view text) {
  try {
    const json object = json::parse(text);
    Schema schema;
    schema.layout.num_samples = object.at("layout").at("num_samples");
    schema.layout.num_epochs = object.at("layout").at("num_epochs");
    schema.layout.chunk_size = object.at("layout").at("chunk_size");
    schema.layout.span_chunks = object.at("layout").at("span_chunks");
    schema.layout.Validate();
    schema.codec.num_classes = object.at("labels").at("num_classes");
    schema.codec.k = object.at("labels").at("k");
    schema.codec.delta = object.at("codec").at("delta");
    schema.temperature = object.at("labels").at("temperature");
    schema.seed = object.at("seed");
    schema.dataset = object.at("dataset");
    schema.order = object.at("order");
    schema.views = object.at("views");
    schema.teacher = object.at("teacher");
    // A name, a selection or a field that this build does not know would be lost here: refuse it.
    if (SchemaJson(schema) != object) {
      Fail(ErrorCode::kDataLoss, "schema: written by another version of decant: {}", object.dump());
    }
    return schema;
  } catch (const json::exception& error) {
    Fail(ErrorCode::kDataLoss, "schema: {}", error.what());
  } catch (const Error& error) {
    Fail(ErrorCode::kDataLoss, "schema: {}", error.what());
  }
}

std::string SchemaDigest(const Schema& schema) { return Sha256Hex(SchemaText(schema)); }

std::vector<SchemaDifference> CompareSchemas(const Schema& expected, const Schema& found) {
  const json expected_fields = SchemaJson(expected).flatten();
  const json found_fields = SchemaJson(found).flatten();
  std::set<std::string> paths;
  for (const auto& [path, value] : expected_fields.items()) paths.insert(path);
  for (const auto& [path, value] : found_fields.items()) paths.insert(path);

  std::vector<SchemaDifference> differences;
  const auto text = [](const json& fields, const std::string& path) {
    return fields.contains(path) ? fields.at(path).dump() : std::string("nothing");
  };
  for (const std::string& path : paths) {
    const std::string want = text(expected_fields, path);
    const std::string have = text(found_fields, path);
    if (want == have) continue;
    std::string field = path.substr(1);
    for (char& c : field) c = c == '/' ? '.' : c;
    differences.push_back({field, want, have});
  }
  return differences;
}

std::string StoreDigest(const Schema& schema, const std::vector<Digest128>& span_digests) {
  std::string content = SchemaDigest(schema);
  for (const Digest128& digest : span_digests) content.append(digest.begin(), digest.end());
  return Sha256Hex(content);
}

}  // namespace decant
