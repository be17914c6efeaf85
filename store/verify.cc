#include "decant/store/verify.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include <rocksdb/file_checksum.h>
#include <rocksdb/metadata.h>

#include "decant/base/error.h"

#include "rocksdb_util.h"
#include "span_check.h"
#include "span_files.h"
#include "store_records.h"

namespace decant {
namespace {

// Collects the findings of several threads.
class Verifier {
 public:
  Verifier(std::string path, unsigned num_threads) : path_(std::move(path)), num_threads_(std::max(1u, num_threads)) {}

  VerifyReport Run() {
    const auto start = std::chrono::steady_clock::now();
    try {
      Open();
      std::optional<Error> no_schema;
      try {
        ReadMeta();
      } catch (const Error& error) {
        no_schema = error;
      }
      CheckFiles();
      if (no_schema) throw *no_schema;
      CheckLedger();
      CheckUnknownFiles();
      CheckSpans();
      CheckDigest();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNotFound) throw;
      AddDamage(path_, error.what());
    }
    std::sort(report_.damages.begin(), report_.damages.end(),
              [](const Damage& a, const Damage& b) { return a.where < b.where; });
    report_.bad_spans.assign(bad_spans_.begin(), bad_spans_.end());
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  void Open();
  void ReadMeta();
  void CheckFiles();
  std::optional<Span> SpanOfFile(const rocksdb::LiveFileMetaData& file) const;
  void CheckFile(const rocksdb::LiveFileMetaData& file);
  void CheckLedger();
  void CheckUnknownFiles();
  void CheckSpans();
  void CheckDigest();

  void AddDamage(const std::string& where, const std::string& what) {
    const std::lock_guard lock(mutex_);
    report_.damages.push_back({where, what});
  }

  void MarkBad(uint64_t span) {
    const std::lock_guard lock(mutex_);
    bad_spans_.insert(span);
  }

  // Runs body(i) for i in [0, count) on the threads.
  template <typename Body>
  void InParallel(size_t count, const Body& body) {
    std::atomic<size_t> next = 0;
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < num_threads_; ++t) {
      threads.emplace_back([&] {
        for (size_t i = next++; i < count; i = next++) {
          try {
            body(i);
          } catch (const std::exception& exception) {
            AddDamage(path_, exception.what());
          }
        }
      });
    }
  }

  const std::string path_;
  const unsigned num_threads_;
  Database database_;
  std::optional<Schema> schema_;
  std::optional<ChunkCodec> codec_;
  Ledger ledger_;
  ExpiredEpochs expired_;
  std::vector<std::string> unknown_files_;
  std::set<uint64_t> staged_spans_;
  std::set<uint64_t> bad_spans_;
  std::mutex mutex_;
  VerifyReport report_;
};

void Verifier::Open() {
  if (std::error_code error; !std::filesystem::exists(DatabasePath(path_), error)) RefuseNoStore(path_);
  const FolderContent content = ListFiles(path_);
  try {
    OpenForReading(path_, /*tolerant=*/true, &database_);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) throw;
    Fail(error.code(), "{}; `decant repair` can take the spans of {} files from it", error.what(),
         content.files.size());
  }
  unknown_files_ = UnknownFiles(content.files, database_);
  staged_spans_ = content.staged_spans;
}

void Verifier::ReadMeta() {
  schema_ = ReadSchema(database_, path_);
  if (!schema_) Fail(ErrorCode::kDataLoss, "the store has no schema");
  codec_.emplace(MakeCodec(*schema_));
  report_.num_spans = schema_->layout.num_spans();
  for (uint32_t epoch = 0; epoch < schema_->layout.num_epochs; ++epoch) {
    try {
      if (auto trailers = ReadExpiry(database_, schema_->layout, epoch, path_)) {
        report_.num_expired += trailers->size();
        expired_.emplace(epoch, std::move(*trailers));
      }
    } catch (const Error& error) {
      AddDamage("meta", error.what());
    }
  }
}

void Verifier::CheckFiles() {
  std::vector<rocksdb::LiveFileMetaData> files;
  database_.db->GetLiveFilesMetaData(&files);
  InParallel(files.size(), [&](size_t i) {
    const std::optional<Span> span = SpanOfFile(files[i]);
    if (span && expired_.contains(span->epoch)) return;  // the next writer goes on deleting it
    try {
      CheckFile(files[i]);
    } catch (const Error& error) {
      if (!span) return AddDamage(files[i].relative_filename, error.what());
      AddDamage(files[i].relative_filename,
                fmt::format("{} (span {}: chunks {} to {} of epoch {})", error.what(), span->index, span->chunk_begin,
                            span->chunk_end - 1, span->epoch));
      MarkBad(span->index);
    }
  });
}

std::optional<Span> Verifier::SpanOfFile(const rocksdb::LiveFileMetaData& file) const {
  uint32_t epoch = 0;
  uint64_t chunk = 0;
  if (!schema_ || file.column_family_name != kLabelsFamily || !ParseLabelKey(file.largestkey, &epoch, &chunk)) {
    return std::nullopt;
  }
  const Layout& layout = schema_->layout;
  if (epoch >= layout.num_epochs || chunk >= layout.chunks_per_epoch()) return std::nullopt;
  return layout.SpanOf(epoch, chunk);
}

void Verifier::CheckFile(const rocksdb::LiveFileMetaData& file) {
  const std::string path = file.directory + "/" + file.relative_filename;
  const std::unique_ptr<FILE, decltype(&std::fclose)> stream(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!stream) {
    if (errno == ENOENT) Fail(ErrorCode::kDataLoss, "the file is missing");
    FailErrno(errno, "read", path);
  }
  rocksdb::FileChecksumGenContext context;
  context.file_name = path;
  const auto checksum = rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator(context);
  std::vector<char> buffer(1 << 20);
  uint64_t bytes = 0;
  for (;;) {
    const size_t size = std::fread(buffer.data(), 1, buffer.size(), stream.get());
    checksum->Update(buffer.data(), size);
    bytes += size;
    if (size < buffer.size()) break;
  }
  if (std::ferror(stream.get())) FailErrno(errno, "read", path);
  if (bytes != file.size) Fail(ErrorCode::kDataLoss, "size: expected {} bytes, found {}", file.size, bytes);
  checksum->Finalize();
  if (checksum->GetChecksum() != file.file_checksum) {
    Fail(ErrorCode::kDataLoss, "file checksum (CRC32C): expected {}, found {}", Hex(file.file_checksum),
         Hex(checksum->GetChecksum()));
  }
  const std::lock_guard lock(mutex_);
  ++report_.num_files;
  report_.file_bytes += bytes;
}

void Verifier::CheckLedger() {
  const Layout& layout = schema_->layout;
  ledger_.resize(layout.num_spans());
  for (uint64_t index = 0; index < layout.num_spans(); ++index) {
    const Span span = layout.SpanAt(index);
    if (const auto expired = expired_.find(span.epoch); expired != expired_.end()) {
      ledger_[index] = expired->second[index % layout.spans_per_epoch()];
      ++report_.num_committed;
      continue;
    }
    if (bad_spans_.contains(index)) continue;
    try {
      std::string record;
      const std::string what = fmt::format("trailer of span {}", index);
      if (!GetValue(database_.db.get(), database_.labels, TrailerKey(span), &record, what)) continue;
      ledger_[index] = DecodeTrailer(span, record);
      ++report_.num_committed;
    } catch (const Error& error) {
      AddDamage(fmt::format("span {}", index), error.what());
      MarkBad(index);
    }
  }
}

// The files of expired epochs, of spans that are there already or wait in the staging folder, and of `meta` are the
// rest of unfinished work, which the next writer removes. One that is not whole may be such a span's, half copied.
void Verifier::CheckUnknownFiles() {
  for (const std::string& file : unknown_files_) {
    if (IsMetaFile(file)) continue;
    const std::string where = std::filesystem::path(file).filename();
    try {
      const uint64_t span = CheckSpanFile(*schema_, file).span;
      if (ledger_[span] || staged_spans_.contains(span)) continue;
      AddDamage(where,
                fmt::format("holds span {}, sound, but the database does not know the file; `decant repair` takes "
                            "it back",
                            span));
    } catch (const Error& error) {
      if (!staged_spans_.empty()) continue;
      AddDamage(where, fmt::format("the database does not know the file: {}", error.what()));
    }
  }
}

void Verifier::CheckSpans() {
  const Layout& layout = schema_->layout;
  InParallel(ledger_.size(), [&](size_t index) {
    if (!ledger_[index] || expired_.contains(layout.SpanAt(index).epoch)) return;
    try {
      CheckSpanContent(layout, *codec_, *ledger_[index], [&](const std::string& key, std::string* value) {
        return GetValue(database_.db.get(), database_.labels, key, value, path_);
      });
      const std::lock_guard lock(mutex_);
      report_.num_labels += ledger_[index]->num_labels;
      report_.num_entries += ledger_[index]->num_entries;
    } catch (const Error& error) {
      AddDamage(fmt::format("span {}", index), error.what());
      MarkBad(index);
    }
  });
}

void Verifier::CheckDigest() {
  std::optional<std::string> sealed;
  try {
    sealed = ReadSeal(path_);
    report_.sealed = sealed.has_value();
  } catch (const Error& error) {
    AddDamage("seal", error.what());
  }
  if (!report_.sound()) return;
  if (!report_.complete()) {
    if (sealed) {
      Fail(ErrorCode::kDataLoss, "sealed as complete, but {} of {} spans are missing",
           report_.num_spans - report_.num_committed, report_.num_spans);
    }
    return;
  }
  report_.digest = DigestOfLedger(*schema_, ledger_);
  if (sealed && *sealed != *report_.digest) {
    Fail(ErrorCode::kDataLoss, "digest: expected {}, found {}", *sealed, *report_.digest);
  }
}

}  // namespace

VerifyReport VerifyStore(const std::string& path, unsigned num_threads) {
  return Verifier(path, num_threads).Run();
}

}  // namespace decant
