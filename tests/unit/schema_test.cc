#include "decant/store/schema.h"

#include <functional>

#include <gtest/gtest.h>

#include "unit/errors.h"
#include "unit/store_maker.h"

namespace decant {
namespace {

// Reads a schema's text beside the tables of SmallSchema().
void Parse(const std::string& text) {
  ParseSchema(text, EncodeTables(SmallSchema().codec, *SmallSchema().tables));
}

// Without codec tables, which depend on some of the fields.
Schema BareSchema(uint32_t num_epochs = 2) {
  Schema schema = SmallSchema(num_epochs);
  schema.tables = nullptr;
  return schema;
}

struct Change {
  std::string field;  // as CompareSchemas names it
  std::function<void(Schema*)> apply;
};

// Every binding field of a schema, changed.
std::vector<Change> BindingChanges() {
  return {
      {"codec.delta", [](Schema* s) { s->codec.delta = 0.5; }},
      {"dataset.fingerprint", [](Schema* s) { s->dataset["fingerprint"] = "xyz"; }},
      {"dataset.split", [](Schema* s) { s->dataset["split"] = "train"; }},
      {"labels.k", [](Schema* s) { s->codec.k = 4; }},
      {"labels.num_classes", [](Schema* s) { s->codec.num_classes = 11; }},
      {"codec.calibration_labels", [](Schema* s) { s->calibration.num_labels = 7; }},
      {"codec.max_delta", [](Schema* s) { s->codec.max_delta = 0.5; }},
      {"codec.prior", [](Schema* s) { s->calibration.prior = Prior::kNone; }},
      {"codec.values", [](Schema* s) { s->codec.values = Values::kBf16Logits; }},
      {"labels.selection.kind", [](Schema* s) { s->selection.kind = Selection::kSample; }},
      {"labels.temperatures", [](Schema* s) { s->codec.temperatures = {3}; }},
      {"labels.true_label", [](Schema* s) { s->codec.true_label = true; }},
      {"labels.view_fingerprints", [](Schema* s) { s->codec.view_fingerprints = true; }},
      {"labels.windows", [](Schema* s) { s->codec.windows = true; }},
      {"layout.chunk_size", [](Schema* s) { s->layout.chunk_size = 5; }},
      {"layout.num_epochs", [](Schema* s) { s->layout.num_epochs = 3; }},
      {"layout.num_samples", [](Schema* s) { s->layout.num_samples = 23; }},
      {"layout.span_chunks", [](Schema* s) { s->layout.span_chunks = 3; }},
      {"order.version", [](Schema* s) { s->order["version"] = 2; }},
      {"seed", [](Schema* s) { s->seed = 6; }},
      {"teacher.digest", [](Schema* s) { s->teacher["digest"] = "ghi"; }},
      {"views.shift", [](Schema* s) { s->views["shift"] = 0.1; }},
  };
}

TEST(SchemaTest, ComesBackThroughItsText) {
  Schema schema = SmallSchema();
  schema.seed = 0xffffffffffffffff;
  schema.codec.delta = 0.1;
  schema.codec.temperatures = {1.0 / 3};
  schema.tables = std::make_shared<CodecTables>(DefaultTables(schema.codec));
  const Schema parsed = ParseSchema(SchemaText(schema), EncodeTables(schema.codec, *schema.tables));
  EXPECT_EQ(*parsed.tables, *schema.tables);
  EXPECT_EQ(SchemaText(parsed), SchemaText(schema));
  EXPECT_EQ(parsed.layout, schema.layout);
  EXPECT_EQ(parsed.seed, schema.seed);
  EXPECT_EQ(parsed.codec, schema.codec);
  EXPECT_EQ(parsed.dataset, schema.dataset);
  EXPECT_EQ(parsed.teacher, schema.teacher);
  EXPECT_EQ(parsed.provenance, nlohmann::json::object());
}

TEST(SchemaTest, HasPinnedText) {
  EXPECT_EQ(SchemaText(BareSchema()),
            R"({"codec":{"calibration_labels":0,"delta":0.125,"max_delta":0.0,"prior":"learnt",)"
            R"("record_order":false,"tables":"","values":"log_probs"},)"
            R"("dataset":{"fingerprint":"abc","kind":"array"},)"
            R"("labels":{"k":3,"num_classes":10,"selection":{"kind":"top_k"},)"
            R"("temperatures":[2.0],"true_label":false,"windows":false},)"
            R"("layout":{"chunk_size":4,"num_epochs":2,"num_samples":22,"span_chunks":2},)"
            R"("order":{"kind":"global","version":1},"seed":5,)"
            R"("teacher":{"digest":"def"},"views":{}})");
}

TEST(SchemaTest, NamesFingerprintsOnlyWhenThereAreAny) {
  Schema schema = SmallSchema();
  EXPECT_EQ(SchemaText(schema).find("view_fingerprints"), std::string::npos);
  schema.codec.view_fingerprints = true;
  EXPECT_NE(SchemaText(schema).find(R"("true_label":false,"view_fingerprints":true,"windows":false)"),
            std::string::npos);
  EXPECT_EQ(ParseSchema(SchemaText(schema), EncodeTables(schema.codec, *schema.tables)).codec, schema.codec);
}

TEST(SchemaTest, EveryBindingFieldChangesTheDigest) {
  const std::string digest = SchemaDigest(BareSchema());
  EXPECT_EQ(digest.size(), 64u);
  for (const Change& change : BindingChanges()) {
    Schema other = BareSchema();
    change.apply(&other);
    EXPECT_NE(SchemaDigest(other), digest) << change.field;
  }
}

TEST(SchemaTest, ProvenanceDoesNotBind) {
  Schema other = BareSchema();
  other.provenance = {{"host", "elsewhere"}, {"time", 7}};
  EXPECT_EQ(SchemaDigest(other), SchemaDigest(BareSchema()));
  EXPECT_TRUE(CompareSchemas(BareSchema(), other).empty());
}

TEST(SchemaTest, ComparisonNamesEachFieldThatDiffers) {
  for (const Change& change : BindingChanges()) {
    Schema other = BareSchema();
    change.apply(&other);
    const auto differences = CompareSchemas(BareSchema(), other);
    ASSERT_EQ(differences.size(), 1u) << change.field;
    EXPECT_EQ(differences.back().field, change.field);
    EXPECT_NE(differences.back().expected, differences.back().found);
  }
}

TEST(SchemaTest, ComparisonGivesBothValues) {
  Schema other = BareSchema();
  other.codec.k = 4;
  other.dataset.erase("fingerprint");
  const auto differences = CompareSchemas(BareSchema(), other);
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].field, "dataset.fingerprint");
  EXPECT_EQ(differences[0].expected, "\"abc\"");
  EXPECT_EQ(differences[0].found, "nothing");
  EXPECT_EQ(differences[1].field, "labels.k");
  EXPECT_EQ(differences[1].expected, "3");
  EXPECT_EQ(differences[1].found, "4");
}

TEST(SchemaTest, RefusesWhatItDoesNotKnow) {
  const auto expect_refused = [](const std::string& pointer, const nlohmann::json& value) {
    nlohmann::json object = nlohmann::json::parse(SchemaText(SmallSchema()));
    object[nlohmann::json::json_pointer(pointer)] = value;
    EXPECT_THAT([&] { Parse(object.dump()); }, FailsWith(ErrorCode::kDataLoss, "schema: written by another version"))
        << pointer;
  };
  expect_refused("/codec/level", 3);
  expect_refused("/codec/tables", "sha256:00");
  expect_refused("/labels/selection/cap", 3);
  expect_refused("/labels/floor", 0.1);
  expect_refused("/labels/view_fingerprints", false);
  expect_refused("/layout/shards", 2);
  expect_refused("/shuffle", true);
}

TEST(SchemaTest, RefusesMissingFieldsAndOtherText) {
  for (const char* path : {"/codec", "/codec/delta", "/dataset", "/labels/k", "/layout/num_samples", "/order", "/seed",
                           "/teacher", "/views"}) {
    const nlohmann::json::json_pointer pointer(path);
    nlohmann::json object = nlohmann::json::parse(SchemaText(SmallSchema()));
    object[pointer.parent_pointer()].erase(pointer.back());
    EXPECT_THAT([&] { Parse(object.dump()); }, FailsWith(ErrorCode::kDataLoss, "schema: ")) << path;
  }
  for (const char* text : {"", "{", "[]", "null", "3", "{}", "\xff"}) {
    EXPECT_THAT([&] { Parse(text); }, FailsWith(ErrorCode::kDataLoss, "schema: ")) << text;
  }
}

TEST(SchemaTest, RefusesNumbersThatAreNotWhole) {
  const auto expect_refused = [](const std::string& pointer, const nlohmann::json& value) {
    nlohmann::json object = nlohmann::json::parse(SchemaText(SmallSchema()));
    object[nlohmann::json::json_pointer(pointer)] = value;
    EXPECT_THAT([&] { Parse(object.dump()); }, FailsWith(ErrorCode::kDataLoss, "not a whole number of at most"))
        << pointer;
  };
  expect_refused("/layout/num_samples", 3.5e55);
  expect_refused("/layout/num_epochs", -1);
  expect_refused("/layout/chunk_size", uint64_t{1} << 32);
  expect_refused("/layout/span_chunks", "7");
  expect_refused("/labels/num_classes", 1.5);
  expect_refused("/labels/k", true);
  expect_refused("/codec/calibration_labels", nullptr);
  expect_refused("/seed", -2);
}

// Walking it would take as much stack as it is deep.
TEST(SchemaTest, RefusesDeepNesting) {
  const std::string text = SchemaText(SmallSchema());
  const size_t at = text.find("\"views\":{}") + 8;
  for (const size_t depth : {40, 1000000}) {
    const std::string deep = std::string(depth, '[') + std::string(depth, ']');
    EXPECT_THAT([&] { Parse(text.substr(0, at) + deep + "}"); },
                FailsWith(ErrorCode::kDataLoss, "schema: more than 32 levels deep"));
  }
}

TEST(SchemaTest, RefusesALayoutThatCannotBe) {
  nlohmann::json object = nlohmann::json::parse(SchemaText(SmallSchema()));
  object["layout"]["chunk_size"] = 0;
  EXPECT_THAT([&] { Parse(object.dump()); }, FailsWith(ErrorCode::kDataLoss, "chunk_size 0"));
}

TEST(StoreDigestTest, DependsOnSchemaAndSpansInOrder) {
  const Digest128 a = {1}, b = {2};
  const Schema schema = SmallSchema();
  const std::string digest = StoreDigest(schema, {a, b});
  EXPECT_EQ(digest,
            Sha256Hex(SchemaDigest(schema) + std::string("\1") + std::string(15, '\0') + "\2" + std::string(15, '\0')));
  EXPECT_NE(StoreDigest(schema, {b, a}), digest);
  EXPECT_NE(StoreDigest(schema, {a}), digest);
  EXPECT_NE(StoreDigest(SmallSchema(3), {a, b}), digest);
}

}  // namespace
}  // namespace decant
