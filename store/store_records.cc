#include "store_records.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/record.h"

namespace decant {

void RefuseNoStore(const std::string& path) {
  Fail(ErrorCode::kNotFound, "there is no label store at {}", path);
}

std::optional<Schema> ReadSchema(const Database& database, const std::string& path) {
  std::string record;
  if (!GetValue(database.db.get(), database.meta, kSchemaKey, &record, path)) return std::nullopt;
  std::string tables;
  if (!GetValue(database.db.get(), database.meta, kTablesKey, &tables, path)) {
    Fail(ErrorCode::kDataLoss, "{}: the schema is there, but not its codec tables", path);
  }
  Schema schema = ParseSchema(UnwrapRecord(RecordMagic::kSchema, record, path + ": schema"),
                              UnwrapRecord(RecordMagic::kTables, tables, path + ": codec tables"));
  if (GetValue(database.db.get(), database.meta, kProvenanceKey, &record, path)) {
    const std::string what = path + ": provenance";
    schema.provenance = nlohmann::json::parse(UnwrapRecord(RecordMagic::kProvenance, record, what), nullptr,
                                              /*allow_exceptions=*/false);
    if (schema.provenance.is_discarded()) Fail(ErrorCode::kDataLoss, "{}: not JSON", what);
  }
  return schema;
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
  if (::chmod(SealPath(path).c_str(), 0444) != 0) FailErrno(errno, "change the mode of", SealPath(path));
}

void RemoveSeal(const std::string& path) {
  if (::unlink(SealPath(path).c_str()) == 0) {
    SyncDirectory(path);
  } else if (errno != ENOENT) {
    FailErrno(errno, "remove", SealPath(path));
  }
}

Ledger ReadLedger(const Database& database, const Layout& layout, const ExpiredEpochs& expired, const std::string& path,
                  Ledger known) {
  constexpr uint64_t kBatch = 1024;
  Ledger ledger = std::move(known);
  ledger.resize(layout.num_spans());
  std::vector<Span> wanted;
  const auto read = [&] {
    std::vector<std::string> keys;
    for (const Span& span : wanted) keys.push_back(TrailerKey(span));
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<std::string> values;
    const std::vector<rocksdb::ColumnFamilyHandle*> families(keys.size(), database.labels);
    rocksdb::ReadOptions options;
    options.fill_cache = false;  // trailers are read once, and the cache is for labels
    const auto statuses = database.db->MultiGet(options, families, slices, &values);
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (statuses[i].IsNotFound()) continue;
      CheckStatus(statuses[i], "read the ledger of", path);
      ledger[wanted[i].index] = DecodeTrailer(wanted[i], values[i]);
    }
    wanted.clear();
  };
  for (uint64_t index = 0; index < ledger.size(); ++index) {
    const Span span = layout.SpanAt(index);
    if (!ledger[index] && !expired.contains(span.epoch)) wanted.push_back(span);
    if (wanted.size() == kBatch) read();
  }
  read();
  for (const auto& [epoch, trailers] : expired) {
    for (const SpanTrailer& trailer : trailers) ledger[trailer.span] = trailer;
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
