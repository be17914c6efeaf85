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
      CheckFiles();
      CheckLedger();
      CheckSpans();
      CheckDigest();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNotFound) throw;
      AddDamage(path_, error.what());
    }
    std::sort(report_.damages.begin(), report_.damages.end(),
              [](const Damage& a, const Damage& b) { return a.where < b.where; });
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  void Open();
  void CheckFiles();
  void CheckFile(const rocksdb::LiveFileMetaData& file);
  void CheckLedger();
  void CheckSpans();
  void CheckSpan(const SpanTrailer& trailer);
  void CheckDigest();

  void AddDamage(const std::string& where, const std::string& what) {
    const std::lock_guard lock(mutex_);
    report_.damages.push_back({where, what});
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
  std::set<uint64_t> unreadable_spans_;  // in a damaged file: reported with it
  std::mutex mutex_;
  VerifyReport report_;
};

void Verifier::Open() {
  if (std::error_code error; !std::filesystem::exists(DatabasePath(path_), error))
    Fail(ErrorCode::kNotFound, "there is no label store at {}", path_);
  rocksdb::Options options = StoreOptions();
  options.paranoid_checks = false;  // open in spite of damage, so that all of it can be named
  options.skip_checking_sst_file_sizes_on_db_open = true;
  rocksdb::DB* db = nullptr;
  CheckStatus(rocksdb::DB::OpenForReadOnly(options, DatabasePath(path_), StoreFamilies(), &database_.handles, &db),
              "open", path_);
  database_.Adopt(db);
}

void Verifier::CheckFiles() {
  std::vector<rocksdb::LiveFileMetaData> files;
  database_.db->GetLiveFilesMetaData(&files);
  // Files of `meta` first: without the schema nothing else can be told.
  std::stable_partition(files.begin(), files.end(),
                        [](const auto& file) { return file.column_family_name == kMetaFamily; });
  std::set<std::string> damaged;
  InParallel(files.size(), [&](size_t i) {
    const std::string where = files[i].relative_filename;
    try {
      CheckFile(files[i]);
    } catch (const Error& error) {
      AddDamage(where, error.what());
      const std::lock_guard lock(mutex_);
      damaged.insert(where);
    }
  });
  schema_ = ReadSchema(database_, path_);
  if (!schema_) Fail(ErrorCode::kDataLoss, "the store has no schema");
  codec_.emplace(MakeCodec(*schema_));
  const Layout& layout = schema_->layout;
  report_.num_spans = layout.num_spans();
  for (const auto& file : files) {
    if (!damaged.contains(file.relative_filename)) continue;
    uint32_t epoch = 0;
    uint64_t chunk = 0;
    if (file.column_family_name != kLabelsFamily || !ParseLabelKey(file.largestkey, &epoch, &chunk)) continue;
    if (epoch >= layout.num_epochs || chunk >= layout.chunks_per_epoch()) continue;
    const Span span = layout.SpanOf(epoch, chunk);
    unreadable_spans_.insert(span.index);
    for (Damage& damage : report_.damages) {
      if (damage.where == file.relative_filename) {
        damage.what += fmt::format(" (span {}: chunks {} to {} of epoch {})", span.index, span.chunk_begin,
                                   span.chunk_end - 1, span.epoch);
      }
    }
  }
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
    if (unreadable_spans_.contains(index)) continue;
    const Span span = layout.SpanAt(index);
    try {
      std::string record;
      const std::string what = fmt::format("trailer of span {}", index);
      if (!GetValue(database_.db.get(), database_.labels, TrailerKey(span), &record, what)) continue;
      ledger_[index] = DecodeTrailer(span, layout.SpanLabels(span), record);
      ++report_.num_committed;
    } catch (const Error& error) {
      AddDamage(fmt::format("span {}", index), error.what());
      unreadable_spans_.insert(index);
    }
  }
}

void Verifier::CheckSpans() {
  InParallel(ledger_.size(), [&](size_t index) {
    if (!ledger_[index]) return;
    try {
      CheckSpan(*ledger_[index]);
    } catch (const Error& error) {
      AddDamage(fmt::format("span {}", index), error.what());
    }
  });
}

void Verifier::CheckSpan(const SpanTrailer& trailer) {
  const Span span = schema_->layout.SpanAt(trailer.span);
  Xxh3Stream content;
  uint64_t num_entries = 0;
  uint64_t num_labels = 0;
  uint64_t chunk_bytes = 0;
  std::string record;
  for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
    const ChunkPlace place = {span.epoch, chunk, schema_->layout.ChunkLabels(chunk)};
    const std::string what = fmt::format("chunk {} of epoch {}", chunk, span.epoch);
    if (!GetValue(database_.db.get(), database_.labels, ChunkKey(span.epoch, chunk), &record, what)) {
      Fail(ErrorCode::kDataLoss, "{} is missing", what);
    }
    const LabelCodes codes = codec_->Decode(place, record);
    LabelBatch labels;
    codec_->Dequantise(codes, 0, codes.size(), &labels);
    UpdateContentDigest(place, codes, &content);
    num_entries += codes.ids.size();
    chunk_bytes += record.size();
    num_labels += codes.size();
  }
  if (chunk_bytes != trailer.chunk_bytes) {
    Fail(ErrorCode::kDataLoss, "chunks: expected {} bytes, found {}", trailer.chunk_bytes, chunk_bytes);
  }
  if (num_entries != trailer.num_entries || content.Digest() != trailer.content_digest) {
    Fail(ErrorCode::kDataLoss, "content: expected {} entries with digest {}, found {} with {}", trailer.num_entries,
         Hex(trailer.content_digest), num_entries, Hex(content.Digest()));
  }
  const std::lock_guard lock(mutex_);
  report_.num_labels += num_labels;
  report_.num_entries += num_entries;
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
