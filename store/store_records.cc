#include "store_records.h"

#include <algorithm>
#include <filesystem>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/record.h"

namespace decant {

std::optional<Schema> ReadSchema(const Database& database, const std::string& path) {
  std::string record;
  if (!GetValue(database.db.get(), database.meta, kSchemaKey, &record, path)) return std::nullopt;
  const std::string tables = ReadFile(TablesPath(path));
  Schema schema = ParseSchema(UnwrapRecord(RecordMagic::kSchema, record, path + ": schema"),
                              UnwrapRecord(RecordMagic::kTables, tables, TablesPath(path)));
  if (GetValue(database.db.get(), database.meta, kProvenanceKey, &record, path)) {
    const std::string what = path + ": provenance";
    schema.provenance = nlohmann::json::parse(UnwrapRecord(RecordMagic::kProvenance, record, what), nullptr,
                                              /*allow_exceptions=*/false);
    if (schema.provenance.is_discarded()) Fail(ErrorCode::kDataLoss, "{}: not JSON", what);
  }
  return schema;
}

void WriteTables(const std::string& path, const Schema& schema) {
  WriteFileAtomically(TablesPath(path), WrapRecord(RecordMagic::kTables, EncodeTables(schema.codec, *schema.tables)));
}

std::optional<std::string> ReadSeal(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(SealPath(path), error)) return std::nullopt;
  const std::string record = ReadFile(SealPath(path));
  return std::string(UnwrapRecord(RecordMagic::kSeal, record, SealPath(path)));
}

void WriteSeal(const std::string& path, const std::string& digest) {
  const std::string record = WrapRecord(RecordMagic::kSeal, digest);
  std::error_code error;
  if (std::filesystem::exists(SealPath(path), error) && ReadFile(SealPath(path)) == record) return;
  WriteFileAtomically(SealPath(path), record);
}

Ledger ReadLedger(const Database& database, const Layout& layout, const std::string& path) {
  constexpr uint64_t kBatch = 1024;
  Ledger ledger(layout.num_spans());
  for (uint64_t begin = 0; begin < ledger.size(); begin += kBatch) {
    const size_t count = std::min<uint64_t>(kBatch, ledger.size() - begin);
    std::vector<std::string> keys(count);
    for (size_t i = 0; i < count; ++i) keys[i] = TrailerKey(layout.SpanAt(begin + i));
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<std::string> values;
    const std::vector<rocksdb::ColumnFamilyHandle*> families(count, database.labels);
    const auto statuses = database.db->MultiGet({}, families, slices, &values);
    for (size_t i = 0; i < count; ++i) {
      if (statuses[i].IsNotFound()) continue;
      CheckStatus(statuses[i], "read the ledger of", path);
      const Span span = layout.SpanAt(begin + i);
      ledger[begin + i] = DecodeTrailer(span, layout.SpanLabels(span), values[i]);
    }
  }
  return ledger;
}

std::string DigestOfLedger(const Schema& schema, const Ledger& ledger) {
  std::vector<Digest128> digests;
  digests.reserve(ledger.size());
  for (const auto& trailer : ledger) digests.push_back(trailer.value().content_digest);
  return StoreDigest(schema, digests);
}

}  // namespace decant
