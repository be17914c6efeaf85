#include "decant/store/store_writer.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <rocksdb/convenience.h>
#include <rocksdb/version.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/acknowledgement.h"
#include "decant/store/record.h"
#include "decant/store/store_reader.h"

#include "expiry.h"
#include "key_records.h"
#include "rocksdb_util.h"
#include "span_files.h"
#include "staging.h"
#include "store_records.h"
#include "writer_lease.h"

namespace decant {
namespace {

void RefuseDifference(const std::string& path, const Schema& stored, const Schema& wanted) {
  const auto differences = CompareSchemas(stored, wanted);
  if (differences.empty()) return;
  std::string text;
  for (const SchemaDifference& difference : differences) {
    text += fmt::format("; {}: expected {}, found {}", difference.field, difference.expected, difference.found);
  }
  if (differences.size() == 1 && differences[0].field == "layout.num_epochs" &&
      wanted.layout.num_epochs > stored.layout.num_epochs) {
    Fail(ErrorCode::kMismatch, "the store {} has fewer epochs than the job{}; `decant extend {} --epochs {}` adds them",
         path, text, path, wanted.layout.num_epochs);
  }
  Fail(ErrorCode::kMismatch, "the store {} was begun with another job{}; restore the job or name another store", path,
       text);
}

// A directory that holds something else is not taken over. One without a database, but with the other parts of a store,
// is a store whose creator died at once.
void RefuseForeignDirectory(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(path, error) || fs::exists(DatabasePath(path), error)) return;
  if (fs::is_directory(path, error) && !HoldsForeignFiles(path)) return;
  Fail(ErrorCode::kInvalidArgument, "{} exists and is not a label store; name another path", path);
}

// RocksDB, once it opens a database for writing, deletes the SSTs that it does not know: after damage to its own
// bookkeeping these are committed spans.
void RefuseToLoseSpans(const std::string& path) {
  if (ReadSeal(path)) StoreReader checked(path);
  if (std::error_code error; !std::filesystem::exists(DatabasePath(path) + "/CURRENT", error)) return;
  const FolderContent content = ListFiles(path);
  if (content.files.empty()) return;
  Database database;
  OpenForReading(path, /*tolerant=*/true, &database);
  const std::vector<std::string> unknown = UnknownFiles(content.files, database);
  if (unknown.empty()) return;
  const std::optional<Schema> schema = ReadSchema(database, path);
  if (!schema) return;
  const Ledger ledger = ReadLedger(database, schema->layout, ReadExpiredEpochs(database, schema->layout, path), path);
  for (const std::string& file : unknown) {
    std::optional<uint64_t> span;
    try {
      span = CheckSpanFile(*schema, file).span;
    } catch (const Error&) {
      continue;  // nothing to lose
    }
    if (ledger[*span] || content.staged_spans.contains(*span)) continue;
    Fail(ErrorCode::kDataLoss,
         "{} holds span {}, but the database does not know the file; `decant repair` takes it back", file, *span);
  }
}

// Goes on in a generation of the database where nobody else may write.
void LeaveGeneration(const std::string& path, const WriterLease& lease) {
  BeginGeneration(path, lease.number(), DatabasePath(path));
}

// The database's files but for the lock: nobody writes to them again.
void MakeReadOnly(const std::string& path) {
  namespace fs = std::filesystem;
  const auto write = fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write;
  for (const auto& entry : fs::directory_iterator(DatabasePath(path))) {
    std::error_code error;  // a file of another user keeps its mode
    if (entry.path().filename() != "LOCK") fs::permissions(entry.path(), write, fs::perm_options::remove, error);
  }
}

}  // namespace

struct StoreWriter::Impl {
  Impl(std::string a_path, const Schema& a_schema, const WriterOptions& options)
      : path(std::move(a_path)), schema(a_schema), lease(path, options.lease_seconds), staging(path, lease.number()) {}

  void Open(const Calibrator& calibrate);
  void TakeStock();
  Digest128 ContentDigest(uint64_t span) const;
  void Put(const std::string& key, const std::string& record) {
    lease.Require();
    rocksdb::WriteOptions no_log;
    no_log.disableWAL = true;
    CheckStatus(database.db->Put(no_log, database.meta, key, record), "write to", path);
  }
  // Makes what was Put durable, as a file.
  void Flush() { CheckStatus(database.db->Flush({}, database.meta), "write to", path); }

  void PutSchema() { Put(kSchemaKey, WrapRecord(RecordMagic::kSchema, SchemaText(schema))); }
  void DeleteExpiredFiles();
  void RequireConsumed(uint32_t epoch_begin, uint32_t epoch_end) const;
  bool IsMissing(uint64_t span) const { return missing.contains(span); }

  const std::string path;
  Schema schema;
  const WriterLease lease;
  Staging staging;
  Database database;
  ExpiredEpochs expired;
  std::set<uint64_t> missing;
  uint64_t committed_bytes = 0;
};

// Trailer and labels of a span are one file, and RocksDB forgets the files of an epoch all at once.
void StoreWriter::Impl::DeleteExpiredFiles() {
  std::set<uint32_t> epochs;
  for (const auto& [span, file] : LiveSpanFiles(database, schema.layout)) {
    const uint32_t epoch = schema.layout.SpanAt(span).epoch;
    if (expired.contains(epoch)) epochs.insert(epoch);
  }
  for (const uint32_t epoch : epochs) {
    const std::string begin = ChunkKey(epoch, 0);
    const std::string end = ChunkKey(epoch + 1, 0);
    const rocksdb::Slice begin_slice(begin), end_slice(end);
    const rocksdb::RangePtr range(&begin_slice, &end_slice);
    CheckStatus(rocksdb::DeleteFilesInRanges(database.db.get(), database.labels, &range, 1, /*include_end=*/false),
                "expire labels of", path);
  }
}

void StoreWriter::Impl::RequireConsumed(uint32_t epoch_begin, uint32_t epoch_end) const {
  if (epoch_begin >= epoch_end || epoch_end > schema.layout.num_epochs) {
    Fail(ErrorCode::kInvalidArgument, "{}: epochs {}:{}: the store has the epochs 0:{}", path, epoch_begin, epoch_end,
         schema.layout.num_epochs);
  }
  for (const uint64_t span : missing) {
    const uint32_t epoch = schema.layout.SpanAt(span).epoch;
    if (epoch < epoch_begin || epoch >= epoch_end) continue;
    Fail(ErrorCode::kNotFound, "{}: epoch {} is not labelled yet: span {} is missing", path, epoch, span);
  }
  for (const Acknowledgement& reader : ReadAcknowledgements(path)) {
    for (uint32_t epoch = std::max(reader.next_epoch, epoch_begin); epoch < epoch_end; ++epoch) {
      if (expired.contains(epoch)) continue;
      Fail(ErrorCode::kUnavailable, "{}: the reader '{}' still needs epoch {}; when it is gone for good, remove {}",
           path, reader.name, epoch, AcknowledgementPath(path, reader.name));
    }
  }
}

void StoreWriter::Impl::Open(const Calibrator& calibrate) {
  rocksdb::Options options = StoreOptions();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  rocksdb::DB* db = nullptr;
  const auto open = [&] {
    return rocksdb::DB::Open(options, DatabasePath(path), StoreFamilies(), &database.handles, &db);
  };
  rocksdb::Status status = open();
  // A shared file system may keep the lock of a writer that is gone for a while.
  if (IsLocked(status) && CurrentGeneration(path) != lease.number()) {
    LeaveGeneration(path, lease);
    RemoveOldGenerations(path);
    status = open();
  }
  CheckStatus(status, "open", path);
  database.Adopt(db);

  if (const std::optional<Schema> stored = ReadSchema(database, path)) {
    if (!schema.tables) schema.tables = stored->tables;
    RefuseDifference(path, *stored, schema);
    schema.provenance = stored->provenance;
    return;
  }
  if (!schema.tables) {
    schema.tables = std::make_shared<CodecTables>(calibrate ? calibrate() : DefaultTables(schema.codec));
  }
  const std::string provenance = schema.provenance.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  Put(kProvenanceKey, WrapRecord(RecordMagic::kProvenance, provenance));
  Put(kTablesKey, WrapRecord(RecordMagic::kTables, EncodeTables(schema.codec, *schema.tables)));
  PutSchema();
  Flush();
}

// A span is a file, and the last key of it is the ledger entry: the database's list of files tells what is committed
// without opening thousands of them.
void StoreWriter::Impl::TakeStock() {
  const Layout& layout = schema.layout;
  const std::map<uint64_t, LiveSpanFile> files = LiveSpanFiles(database, layout);
  for (const auto& [span, file] : files) committed_bytes += file.file_bytes;
  for (uint64_t span = 0; span < layout.num_spans(); ++span) {
    if (!files.contains(span) && !expired.contains(layout.SpanAt(span).epoch)) missing.insert(span);
  }
}

// Of a committed span.
Digest128 StoreWriter::Impl::ContentDigest(uint64_t span) const {
  const Span place = schema.layout.SpanAt(span);
  if (const auto epoch = expired.find(place.epoch); epoch != expired.end()) {
    return epoch->second.at(span % schema.layout.spans_per_epoch()).content_digest;
  }
  std::string record;
  if (!GetValue(database.db.get(), database.labels, TrailerKey(place), &record, path)) {
    Fail(ErrorCode::kDataLoss, "{}: span {} is committed, but has no ledger entry", path, span);
  }
  return DecodeTrailer(place, record).content_digest;
}

StoreWriter::StoreWriter(const std::string& path, const Schema& requested, const Calibrator& calibrate,
                         const WriterOptions& options) {
  ValidateSchema(requested);
  RefuseForeignDirectory(path);
  impl_ = std::make_unique<Impl>(path, requested, options);
  Impl& self = *impl_;
  if (CurrentGeneration(path) < self.lease.generation()) LeaveGeneration(path, self.lease);
  RemoveOldGenerations(path);
  RefuseToLoseSpans(path);
  self.Open(calibrate);
  self.expired = ReadExpiredEpochs(self.database, self.schema.layout, path);
  self.DeleteExpiredFiles();
  self.TakeStock();
  self.staging.TakeOver();
  WriteFileAtomically(StagedTablesPath(self.staging.path()),
                      WrapRecord(RecordMagic::kTables, EncodeTables(self.schema.codec, *self.schema.tables)));
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

bool StoreWriter::IsMissing(uint64_t span) const {
  return impl_->IsMissing(span);
}

uint64_t StoreWriter::committed_bytes() const {
  return impl_->committed_bytes;
}

const std::string& StoreWriter::staging_path() const {
  return impl_->staging.path();
}

const std::string& StoreWriter::taken_from() const {
  return impl_->lease.taken_from();
}

std::vector<uint64_t> StoreWriter::Commit(const std::vector<SpanFile>& files) {
  Impl& self = *impl_;
  self.lease.Require();
  std::map<uint64_t, const SpanFile*> added;
  std::vector<const SpanFile*> others;
  rocksdb::IngestExternalFileArg batch;
  batch.column_family = self.database.labels;
  batch.options.move_files = true;
  batch.options.write_global_seqno = false;
  batch.options.verify_checksums_before_ingest = true;
  batch.options.fail_if_not_bottommost_level = true;
  for (const SpanFile& file : files) {
    if (self.IsMissing(file.trailer.span) && added.try_emplace(file.trailer.span, &file).second) {
      batch.external_files.push_back(file.path);
    } else {
      others.push_back(&file);
    }
  }
  if (!batch.external_files.empty()) {
    const KeepFiles keep;
    CheckStatus(self.database.db->IngestExternalFiles({batch}), "commit spans to", self.path);
  }
  for (const auto& [span, file] : added) {
    self.missing.erase(span);
    self.committed_bytes += file->file_bytes;
  }
  std::vector<uint64_t> differing;
  for (const SpanFile* file : others) {
    const uint64_t span = file->trailer.span;
    if (self.ContentDigest(span) != file->trailer.content_digest) differing.push_back(span);
    ::unlink(file->path.c_str());
  }
  return differing;
}

std::vector<uint64_t> StoreWriter::StagedSpans() const {
  std::vector<uint64_t> spans = impl_->staging.TakenSpans();
  std::erase_if(spans, [this](uint64_t span) { return !IsMissing(span); });
  return spans;
}

std::vector<uint64_t> StoreWriter::Adopt() {
  impl_->staging.TakeFromGuests();
  const std::vector<SpanFile> files =
      impl_->staging.Check(impl_->schema, [this](uint64_t span) { return IsMissing(span); });
  std::vector<uint64_t> spans;
  for (const SpanFile& file : files) spans.push_back(file.trailer.span);
  Commit(files);
  return spans;
}

std::string StoreWriter::Seal() {
  Impl& self = *impl_;
  if (!self.missing.empty()) {
    Fail(ErrorCode::kInternal, "{}: sealed with {} spans missing", self.path, self.missing.size());
  }
  const auto ledger = ReadLedger(self.database, self.schema.layout, self.expired, self.path);
  const std::string digest = DigestOfLedger(self.schema, ledger);
  self.lease.Require();
  WriteSeal(self.path, digest);
  MakeReadOnly(self.path);
  self.staging.Remove();
  return digest;
}

void StoreWriter::Expire(uint32_t epoch_begin, uint32_t epoch_end) {
  Impl& self = *impl_;
  self.RequireConsumed(epoch_begin, epoch_end);
  const auto ledger = ReadLedger(self.database, self.schema.layout, self.expired, self.path);
  const uint64_t spans_per_epoch = self.schema.layout.spans_per_epoch();
  for (uint32_t epoch = epoch_begin; epoch < epoch_end; ++epoch) {
    if (self.expired.contains(epoch)) continue;
    std::vector<SpanTrailer> trailers;
    for (uint64_t i = 0; i < spans_per_epoch; ++i) trailers.push_back(ledger[epoch * spans_per_epoch + i].value());
    self.Put(ExpiryKey(epoch), EncodeExpiry(epoch, trailers));
    self.expired.emplace(epoch, std::move(trailers));
  }
  self.Flush();
  self.DeleteExpiredFiles();
}

uint32_t StoreWriter::ExpireAcknowledged() {
  Impl& self = *impl_;
  const std::vector<Acknowledgement> readers = ReadAcknowledgements(self.path);
  if (readers.empty()) return 0;
  uint32_t end = self.schema.layout.num_epochs;
  for (const Acknowledgement& reader : readers) end = std::min(end, reader.next_epoch);
  uint32_t num_expired = 0;
  for (uint32_t epoch = 0; epoch < end; ++epoch) {
    const uint64_t first = epoch * self.schema.layout.spans_per_epoch();
    const auto missing = self.missing.lower_bound(first);
    const bool complete = missing == self.missing.end() || *missing >= first + self.schema.layout.spans_per_epoch();
    if (!complete || self.expired.contains(epoch)) continue;
    Expire(epoch, epoch + 1);
    ++num_expired;
  }
  return num_expired;
}

void StoreWriter::AddExpired(uint32_t epoch, const std::vector<SpanTrailer>& trailers) {
  Impl& self = *impl_;
  const std::string record = EncodeExpiry(epoch, trailers);
  self.expired[epoch] = DecodeExpiry(self.schema.layout, epoch, record);
  self.Put(ExpiryKey(epoch), record);
  self.Flush();
  self.DeleteExpiredFiles();
  for (const SpanTrailer& trailer : trailers) self.missing.erase(trailer.span);
}

void StoreWriter::PutSampleKeys(const std::vector<std::string>& records) {
  if (records.empty() || ReadKeyRecords(impl_->database, impl_->path) == records) return;
  for (size_t part = 0; part < records.size(); ++part) impl_->Put(SampleKeysKey(part), records[part]);
  impl_->Flush();
}

void StoreWriter::Extend(uint32_t num_epochs) {
  Impl& self = *impl_;
  Schema schema = self.schema;
  if (num_epochs == schema.layout.num_epochs) return;
  if (num_epochs < schema.layout.num_epochs) {
    Fail(ErrorCode::kInvalidArgument, "{} has {} epochs already; `decant extract` makes a smaller store", self.path,
         schema.layout.num_epochs);
  }
  const uint64_t num_spans = schema.layout.num_spans();
  schema.layout.num_epochs = num_epochs;
  ValidateSchema(schema);
  RemoveSeal(self.path);
  self.schema = schema;
  self.PutSchema();
  self.Flush();
  for (uint64_t span = num_spans; span < schema.layout.num_spans(); ++span) self.missing.insert(span);
}

}  // namespace decant
