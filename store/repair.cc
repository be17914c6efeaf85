#include "decant/store/repair.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/record.h"

#include "assemble.h"
#include "key_records.h"
#include "span_files.h"
#include "store_records.h"
#include "writer_lease.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

// What is sound in a damaged store.
struct SoundParts {
  Schema schema;
  ExpiredEpochs expired;
  std::map<uint64_t, SpanSource> spans;  // by Span::index
  std::vector<uint64_t> recovered;
  std::vector<std::string> key_records;

  uint64_t num_committed() const { return spans.size() + expired.size() * schema.layout.spans_per_epoch(); }
};

void RemoveFolder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) FailErrno(error.value(), "remove", path);
}

// The newest record of `key` in the files of `meta`, its payload.
std::optional<std::string> NewestRecord(const std::vector<std::string>& meta_files, const char* key,
                                        RecordMagic magic) {
  for (auto file = meta_files.rbegin(); file != meta_files.rend(); ++file) {
    try {
      std::string record;
      if (GetFromFile(*file, key, &record)) return std::string(UnwrapRecord(magic, record, key));
    } catch (const Error&) {
      continue;  // named by VerifyStore()
    }
  }
  return std::nullopt;
}

// An extension writes the schema again, without tables and provenance: they may come from different files.
std::optional<Schema> SchemaFromFiles(const std::vector<std::string>& meta_files) {
  const auto text = NewestRecord(meta_files, kSchemaKey, RecordMagic::kSchema);
  const auto tables = NewestRecord(meta_files, kTablesKey, RecordMagic::kTables);
  const auto provenance = NewestRecord(meta_files, kProvenanceKey, RecordMagic::kProvenance);
  if (!text || !tables) return std::nullopt;
  Schema schema = ParseSchema(*text, *tables);
  if (provenance) schema.provenance = nlohmann::json::parse(*provenance, nullptr, /*allow_exceptions=*/false);
  if (schema.provenance.is_discarded()) schema.provenance = nlohmann::json::object();
  return schema;
}

void AddExpiredFromFiles(const std::vector<std::string>& meta_files, SoundParts* parts) {
  const Layout& layout = parts->schema.layout;
  for (const std::string& file : meta_files) {
    for (uint32_t epoch = 0; epoch < layout.num_epochs; ++epoch) {
      std::string record;
      try {
        if (GetFromFile(file, ExpiryKey(epoch), &record)) parts->expired[epoch] = DecodeExpiry(layout, epoch, record);
      } catch (const Error&) {
        break;
      }
    }
  }
}

void AddKeysFromFiles(const std::vector<std::string>& meta_files, SoundParts* parts) {
  for (const std::string& file : meta_files) {
    std::string record;
    try {
      while (GetFromFile(file, SampleKeysKey(parts->key_records.size()), &record)) {
        parts->key_records.push_back(std::move(record));
      }
    } catch (const Error&) {
      continue;
    }
  }
}

void AddSpansFromFiles(const std::vector<std::string>& files, SoundParts* parts) {
  for (const std::string& file : files) {
    try {
      const SpanTrailer trailer = CheckSpanFile(parts->schema, file);
      if (parts->expired.contains(parts->schema.layout.SpanAt(trailer.span).epoch)) continue;
      if (parts->spans.try_emplace(trailer.span, SpanSource{file, trailer}).second) {
        parts->recovered.push_back(trailer.span);
      }
    } catch (const Error&) {
      continue;  // named by VerifyStore()
    }
  }
}

// nullopt when the database does not open or its schema cannot be read.
std::optional<SoundParts> PartsOfDatabase(const std::string& path, const std::vector<std::string>& files,
                                          const VerifyReport& found) {
  SoundParts parts;
  Database database;
  try {
    OpenForReading(path, /*tolerant=*/true, &database);
    std::optional<Schema> schema = ReadSchema(database, path);
    if (!schema) return std::nullopt;
    parts.schema = std::move(*schema);
  } catch (const Error&) {
    return std::nullopt;
  }
  const Layout& layout = parts.schema.layout;
  for (uint32_t epoch = 0; epoch < layout.num_epochs; ++epoch) {
    try {
      if (auto trailers = ReadExpiry(database, layout, epoch, path)) parts.expired.emplace(epoch, std::move(*trailers));
    } catch (const Error&) {
      continue;  // named by VerifyStore(): the epoch is labelled again
    }
  }
  for (const auto& [index, file] : LiveSpanFiles(database, layout)) {
    const Span span = layout.SpanAt(index);
    if (parts.expired.contains(span.epoch) || std::ranges::binary_search(found.bad_spans, index)) continue;
    std::string record;
    if (!GetValue(database.db.get(), database.labels, TrailerKey(span), &record, path)) continue;
    parts.spans[index] = {file.path, DecodeTrailer(span, record)};
  }
  AddSpansFromFiles(UnknownFiles(files, database), &parts);
  try {
    parts.key_records = ReadKeyRecords(database, path);
  } catch (const Error&) {  // named by VerifyStore(): the labels are worth keeping without
  }
  return parts;
}

SoundParts PartsOfFiles(const std::string& path, const std::vector<std::string>& files) {
  std::vector<std::string> meta_files, span_files;
  for (const std::string& file : files) (IsMetaFile(file) ? meta_files : span_files).push_back(file);
  SoundParts parts;
  std::optional<Schema> schema = SchemaFromFiles(meta_files);
  if (!schema) {
    Fail(ErrorCode::kDataLoss,
         "{}: the schema is lost, and with it what the labels mean; name another store and run "
         "`decant produce`",
         path);
  }
  parts.schema = std::move(*schema);
  AddExpiredFromFiles(meta_files, &parts);
  AddKeysFromFiles(meta_files, &parts);
  AddSpansFromFiles(span_files, &parts);
  return parts;
}

// Damage that no span shows: every one is sound, and the seal is of others.
void RefuseForeignContent(const std::string& path, const SoundParts& parts) {
  if (parts.num_committed() < parts.schema.layout.num_spans()) return;
  std::optional<std::string> sealed;
  try {
    sealed = ReadSeal(path);
  } catch (const Error&) {
    return;  // a damaged seal says nothing
  }
  Ledger ledger(parts.schema.layout.num_spans());
  for (const auto& [index, source] : parts.spans) ledger[index] = source.trailer;
  for (const auto& [epoch, trailers] : parts.expired) {
    for (const SpanTrailer& trailer : trailers) ledger[trailer.span] = trailer;
  }
  const std::string digest = DigestOfLedger(parts.schema, ledger);
  if (!sealed || *sealed == digest) return;
  Fail(ErrorCode::kDataLoss,
       "{}: every span is sound, but their digest is {}, and the store was sealed with {}; fetch a copy, or remove {} "
       "if "
       "you trust the labels",
       path, digest, *sealed, SealPath(path));
}

void Rebuild(const std::string& path, const SoundParts& parts) {
  RemoveFolder(RepairPath(path));
  StoreWriter writer(RepairPath(path), parts.schema);
  writer.PutSampleKeys(parts.key_records);
  for (const auto& [epoch, trailers] : parts.expired) writer.AddExpired(epoch, trailers);
  std::vector<SpanSource> sources;
  for (const auto& [index, source] : parts.spans) sources.push_back(source);
  CommitLinked(sources, &writer);
}

}  // namespace

RepairReport RepairStore(const std::string& path, unsigned num_threads) {
  if (std::error_code error; !fs::exists(DatabasePath(path), error)) RefuseNoStore(path);
  RepairReport report;
  SoundParts parts;
  {
    const WriterLease lease(path, WriterOptions().lease_seconds);
    const std::vector<std::string> files = ListFiles(path).files;
    const VerifyReport found = VerifyStore(path, num_threads);
    report.damages = found.damages;
    report.dropped = found.bad_spans;
    report.num_spans = found.num_spans;
    report.num_committed = found.num_committed;
    report.digest = found.digest;
    if (found.sound()) {
      RemoveFolder(RepairPath(path));
      return report;
    }
    std::optional<SoundParts> of_database = PartsOfDatabase(path, files, found);
    parts = of_database ? std::move(*of_database) : PartsOfFiles(path, files);
    RefuseForeignContent(path, parts);
    RemoveSeal(path);
    Rebuild(path, parts);
    BeginGeneration(path, lease.number(), DatabasePath(RepairPath(path)));
    RemoveOldGenerations(path);
    RemoveFolder(RepairPath(path));
  }
  report.recovered = parts.recovered;
  std::ranges::sort(report.recovered);
  report.num_spans = parts.schema.layout.num_spans();
  report.num_committed = parts.num_committed();
  std::erase_if(report.dropped, [&](uint64_t span) { return parts.spans.contains(span); });
  if (report.num_committed == report.num_spans) report.digest = StoreWriter(path, parts.schema).Seal();
  return report;
}

}  // namespace decant
