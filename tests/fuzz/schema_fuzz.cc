// Schemas of any text. Input: the text, up to the first zero byte; then the codec tables' payload.
#include "decant/base/error.h"
#include "decant/store/schema.h"

#include "fuzz/fuzz.h"

namespace decant {
namespace {

void Fuzz(FuzzInput input) {
  const std::string_view bytes = input.Rest();
  const size_t zero = std::min(bytes.find('\0'), bytes.size());
  const std::string_view text = bytes.substr(0, zero);
  try {
    const Schema schema = ParseSchema(text, bytes.substr(std::min(zero + 1, bytes.size())));
    Require(SchemaText(schema) == text, "the text comes back");
    Require(CompareSchemas(schema, schema).empty(), "a schema does not differ from itself");
    Require(SchemaDigest(schema).size() == 64, "a schema has a digest");
    ChunkCodec codec = MakeCodec(schema);
    Require(schema.layout.num_spans() >= 1 && codec.params() == schema.codec, "a schema is one of a store");
  } catch (const Error& error) {
    Require(error.code() == ErrorCode::kDataLoss, error.what());
  }
}

}  // namespace
}  // namespace decant

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  decant::Fuzz({bytes, size});
  return 0;
}
