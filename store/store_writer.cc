#include "decant/store/store_writer.h"

#include <filesystem>
#include <set>

#include <rocksdb/version.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/record.h"
#include "decant/store/store_reader.h"

#include "rocksdb_util.h"
#include "store_records.h"

namespace decant {
namespace {

void RefuseDifference(const std::string& path, const Schema& stored, const Schema& wanted) {
  const auto differences = CompareSchemas(stored, wanted);
  if (differences.empty()) return;
  std::string text;
  for (const SchemaDifference& difference : differences) {
    text += fmt::format("; {}: expected {}, found {}", difference.field, difference.expected, difference.found);
  }
  Fail(ErrorCode::kMismatch, "the store {} was begun with another job{}; restore the job or name another store", path,
       text);
}

// A directory that holds something else is not taken over. One with the staging folder and codec tables alone is a
// store whose creator died at once.
void RefuseForeignDirectory(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(path, error) || fs::exists(DatabasePath(path), error)) return;
  bool foreign = !fs::is_directory(path, error);
  if (!foreign) {
    for (const auto& entry : fs::directory_iterator(path)) {
      foreign = foreign || (entry.path() != StagingPath(path) && entry.path() != TablesPath(path));
    }
  }
  if (foreign) Fail(ErrorCode::kInvalidArgument, "{} exists and is not a label store; name another path", path);
}

}  // namespace

struct StoreWriter::Impl {
  Impl(std::string a_path, const Schema& a_schema) : path(std::move(a_path)), schema(a_schema) {}

  void Put(const char* key, const std::string& record) {
    rocksdb::WriteOptions no_log;
    no_log.disableWAL = true;
    CheckStatus(database.db->Put(no_log, database.meta, key, record), "write to", path);
  }
  // Makes what was Put durable, as a file.
  void Flush() { CheckStatus(database.db->Flush({}, database.meta), "write to", path); }

  const std::string path;
  Schema schema;
  Database database;
  std::set<uint64_t> missing;
};

StoreWriter::StoreWriter(const std::string& path, const Schema& requested, const Calibrator& calibrate)
    : impl_(std::make_unique<Impl>(path, requested)) {
  Impl& self = *impl_;
  Schema& schema = self.schema;
  ValidateSchema(schema);
  RefuseForeignDirectory(path);
  // A sealed store that is damaged is refused before RocksDB opens it for writing and tidies up what it does not know.
  if (ReadSeal(path)) StoreReader checked(path);
  CreateDirectories(StagingPath(path));

  rocksdb::Options options = StoreOptions();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  rocksdb::DB* db = nullptr;
  CheckStatus(rocksdb::DB::Open(options, DatabasePath(path), StoreFamilies(), &self.database.handles, &db), "open",
              path);
  self.database.Adopt(db);

  const std::optional<Schema> stored = ReadSchema(self.database, path);
  if (stored) {
    if (!schema.tables) schema.tables = stored->tables;
    RefuseDifference(path, *stored, schema);
  } else {
    if (!schema.tables) {
      schema.tables = std::make_shared<CodecTables>(calibrate ? calibrate() : DefaultTables(schema.codec));
    }
    const std::string provenance = schema.provenance.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    WriteTables(path, schema);
    self.Put(kProvenanceKey, WrapRecord(RecordMagic::kProvenance, provenance));
    self.Put(kSchemaKey, WrapRecord(RecordMagic::kSchema, SchemaText(schema)));
    self.Flush();
  }
  const auto ledger = ReadLedger(self.database, schema.layout, path);
  for (uint64_t span = 0; span < ledger.size(); ++span) {
    if (!ledger[span]) self.missing.insert(span);
  }
  for (const auto& entry : std::filesystem::directory_iterator(StagingPath(path))) {
    ::unlink(entry.path().c_str());
  }
}

StoreWriter::~StoreWriter() = default;

std::string RocksDbVersion() {
  return rocksdb::GetRocksVersionAsString(/*with_patch=*/true);
}

const Schema& StoreWriter::schema() const {
  return impl_->schema;
}

std::vector<uint64_t> StoreWriter::MissingSpans() const {
  return {impl_->missing.begin(), impl_->missing.end()};
}

uint64_t StoreWriter::num_committed() const {
  return impl_->schema.layout.num_spans() - impl_->missing.size();
}

void StoreWriter::Commit(const std::vector<SpanFile>& files) {
  Impl& self = *impl_;
  std::set<uint64_t> spans;
  rocksdb::IngestExternalFileArg batch;
  batch.column_family = self.database.labels;
  batch.options.move_files = true;
  batch.options.write_global_seqno = false;
  batch.options.verify_checksums_before_ingest = true;
  batch.options.fail_if_not_bottommost_level = true;
  for (const SpanFile& file : files) {
    if (self.missing.contains(file.trailer.span) && spans.insert(file.trailer.span).second) {
      batch.external_files.push_back(file.path);
    } else {
      ::unlink(file.path.c_str());
    }
  }
  if (batch.external_files.empty()) return;
  CheckStatus(self.database.db->IngestExternalFiles({batch}), "commit spans to", self.path);
  for (const uint64_t span : spans) self.missing.erase(span);
}

std::string StoreWriter::Seal() {
  Impl& self = *impl_;
  if (!self.missing.empty()) {
    Fail(ErrorCode::kInternal, "{}: sealed with {} spans missing", self.path, self.missing.size());
  }
  const auto ledger = ReadLedger(self.database, self.schema.layout, self.path);
  const std::string digest = DigestOfLedger(self.schema, ledger);
  WriteSeal(self.path, digest);
  return digest;
}

}  // namespace decant
