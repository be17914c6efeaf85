#include "decant/store/store_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include <stdlib.h>

#include "decant/base/error.h"

#include "key_records.h"
#include "record_cache.h"
#include "rocksdb_util.h"
#include "store_records.h"

namespace decant {

namespace {

// A folder of its own outside the store, for what RocksDB writes while it follows: nothing so far, but it wants one.
class FollowerFolder {
 public:
  FollowerFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "decant-follower-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) FailErrno(errno, "create directory", pattern);
    path_ = pattern;
  }
  ~FollowerFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  FollowerFolder(const FollowerFolder&) = delete;
  FollowerFolder& operator=(const FollowerFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

uint64_t CountCommitted(const Ledger& ledger) {
  return static_cast<uint64_t>(
      std::count_if(ledger.begin(), ledger.end(), [](const auto& trailer) { return trailer.has_value(); }));
}

// How often a reader tries again when a writer replaces files under its hands.
constexpr int kAttempts = 5;

template <typename Body>
void TryAgain(const Body& body) {
  for (int attempt = 1;; ++attempt) {
    try {
      return body();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kDataLoss || attempt == kAttempts) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10 * attempt));
  }
}

}  // namespace

struct StoreReader::Impl {
  void Open();
  void Follow();
  ExpiredEpochs ExpiredByNow();
  bool NoticeExpiry();
  void TakeStock(ExpiredEpochs expired_by_now);
  std::string Describe(uint32_t epoch, uint64_t chunk) const;
  RecordCache::Record TryRecord(uint32_t epoch, uint64_t chunk);
  // The record of a chunk.
  RecordCache::Record Record(uint32_t epoch, uint64_t chunk);
  ChunkPlace Place(uint32_t epoch, uint64_t chunk) const;
  void ReadSample(uint32_t epoch, uint64_t position, LabelCodes* codes);
  void RequirePosition(uint64_t position) const;
  void DecodeSample(const ChunkPlace& place, std::string_view record, size_t index, LabelCodes* codes) const;
  // The label or window of DecodeSample(), appended as log-probabilities.
  void AppendSample(const ChunkPlace& place, const LabelCodes& codes, size_t temperature, LabelBatch* labels) const;

  explicit Impl(size_t cache_bytes) : records(cache_bytes) {}

  std::string path;
  std::string database_path;             // that is open
  std::optional<FollowerFolder> folder;  // while the store is not sealed; outlives the database
  std::unique_ptr<Database> database;
  RecordCache records;  // of the database
  std::optional<Schema> schema;
  std::optional<ChunkCodec> codec;
  // What changes while the store is written.
  mutable std::shared_mutex mutex;
  std::optional<std::string> digest;
  ExpiredEpochs expired;
  Ledger ledger;
};

void StoreReader::Impl::Open() {
  digest = ReadSeal(path);
  database_path = DatabasePath(path);
  auto opened = std::make_unique<Database>();
  OpenForReading(path, /*tolerant=*/false, opened.get());
  records.Clear();
  database = std::move(opened);
  // RocksDB follows a database with a file missing silently, up to where it was still whole: hence the opening before.
  if (!digest) Follow();
}

void StoreReader::Impl::Follow() {
  if (!folder) folder.emplace();
  auto follower = std::make_unique<Database>();
  rocksdb::DB* db = nullptr;
  CheckStatus(rocksdb::DB::OpenAsSecondary(StoreOptions(), database_path, folder->path(), StoreFamilies(),
                                           &follower->handles, &db),
              "follow", path);
  follower->Adopt(db);
  database = std::move(follower);
}

ExpiredEpochs StoreReader::Impl::ExpiredByNow() {
  if (DatabasePath(path) != database_path) {  // another writer took the store over
    Open();
    return ReadExpiredEpochs(*database, schema->layout, path);
  }
  if (folder) {
    CheckStatus(database->db->TryCatchUpWithPrimary(), "follow", path);
    return ReadExpiredEpochs(*database, schema->layout, path);
  }
  // A sealed store is not followed, but its epochs may expire too.
  Database now;
  OpenForReading(path, /*tolerant=*/false, &now);
  return ReadExpiredEpochs(now, schema->layout, path);
}

void StoreReader::Impl::TakeStock(ExpiredEpochs expired_by_now) {
  expired = std::move(expired_by_now);
  ledger = ReadLedger(*database, schema->layout, expired, path, ledger);
  digest = ReadSeal(path);
}

ChunkPlace StoreReader::Impl::Place(uint32_t epoch, uint64_t chunk) const {
  const Layout& layout = schema->layout;
  if (epoch >= layout.num_epochs || chunk >= layout.chunks_per_epoch()) {
    Fail(ErrorCode::kInvalidArgument, "{}: chunk {} of epoch {}: the store has {} epochs of {} chunks", path, chunk,
         epoch, layout.num_epochs, layout.chunks_per_epoch());
  }
  return {.epoch = epoch, .chunk = chunk, .num_samples = layout.ChunkSamples(chunk)};
}

std::string StoreReader::Impl::Describe(uint32_t epoch, uint64_t chunk) const {
  return fmt::format("{}, chunk {} of epoch {}", path, chunk, epoch);
}

RecordCache::Record StoreReader::Impl::TryRecord(uint32_t epoch, uint64_t chunk) {
  const std::shared_lock lock(mutex);
  if (expired.contains(epoch)) {
    Fail(ErrorCode::kNotFound, "{}: epoch {} has expired: its labels were deleted", Describe(epoch, chunk), epoch);
  }
  const uint64_t number = epoch * schema->layout.chunks_per_epoch() + chunk;
  if (RecordCache::Record record = records.Find(number)) return record;
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  const auto record = std::make_shared<rocksdb::PinnableSlice>();
  const rocksdb::Status status = database->db->Get(read, database->labels, ChunkKey(epoch, chunk), record.get());
  if (status.ok()) {
    records.Insert(number, record);
    return record;
  }
  if (!status.IsNotFound()) CheckStatus(status, "read from", Describe(epoch, chunk));
  const Span span = schema->layout.SpanOf(epoch, chunk);
  if (!ledger[span.index]) {
    Fail(ErrorCode::kNotFound, "{}: not labelled yet; `decant produce` continues the store", Describe(epoch, chunk));
  }
  Fail(ErrorCode::kDataLoss, "{}: missing, although span {} is committed; `decant verify` tells what is damaged",
       Describe(epoch, chunk), span.index);
}

// Epochs may have expired since the last time, and their files with them. The ledger and the digest, to which other
// threads may hold references, wait for Refresh(). False when that cannot be known.
bool StoreReader::Impl::NoticeExpiry() {
  const std::unique_lock lock(mutex);
  try {
    expired = ExpiredByNow();
    return true;
  } catch (const Error&) {
    return false;
  }
}

RecordCache::Record StoreReader::Impl::Record(uint32_t epoch, uint64_t chunk) {
  try {
    return TryRecord(epoch, chunk);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDataLoss || !NoticeExpiry()) throw;
  }
  return TryRecord(epoch, chunk);
}

bool IsSealed(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(SealPath(path), error);
}

StoreReader::StoreReader(const std::string& path, const ReaderOptions& options)
    : impl_(std::make_unique<Impl>(options.cache_bytes)) {
  Impl& self = *impl_;
  self.path = path;
  std::error_code error;
  if (!std::filesystem::exists(DatabasePath(path) + "/CURRENT", error)) RefuseNoStore(path);
  TryAgain([&] { self.Open(); });
  self.schema = ReadSchema(*self.database, path);
  if (!self.schema && self.digest) {
    Fail(ErrorCode::kDataLoss,
         "{}: sealed as complete, but its schema is missing; `decant verify` tells what is damaged", path);
  }
  if (!self.schema) Fail(ErrorCode::kNotFound, "the store {} has no schema yet; run `decant produce` again", path);
  self.codec.emplace(MakeCodec(*self.schema));
  TryAgain([&] {
    self.TakeStock(self.folder ? self.ExpiredByNow() : ReadExpiredEpochs(*self.database, self.schema->layout, path));
  });
  if (self.digest && num_committed_spans() < self.schema->layout.num_spans()) {
    Fail(ErrorCode::kDataLoss,
         "{}: sealed as complete, but {} of {} spans are missing; `decant verify` tells what is damaged", path,
         self.schema->layout.num_spans() - num_committed_spans(), self.schema->layout.num_spans());
  }
}

uint64_t StoreReader::Refresh() {
  Impl& self = *impl_;
  const std::unique_lock lock(self.mutex);
  TryAgain([&] { self.TakeStock(self.ExpiredByNow()); });
  return CountCommitted(self.ledger);
}

StoreReader::~StoreReader() = default;

const std::string& StoreReader::path() const {
  return impl_->path;
}
const Schema& StoreReader::schema() const {
  return *impl_->schema;
}
const ChunkCodec& StoreReader::codec() const {
  return *impl_->codec;
}
const std::optional<std::string>& StoreReader::digest() const {
  return impl_->digest;
}
const std::vector<std::optional<SpanTrailer>>& StoreReader::ledger() const {
  return impl_->ledger;
}

uint64_t StoreReader::num_committed_spans() const {
  const std::shared_lock lock(impl_->mutex);
  return CountCommitted(impl_->ledger);
}

bool StoreReader::IsLabelled(uint32_t epoch, uint64_t chunk) const {
  const ChunkPlace place = impl_->Place(epoch, chunk);
  const std::shared_lock lock(impl_->mutex);
  return impl_->ledger[schema().layout.SpanOf(place.epoch, place.chunk).index].has_value();
}

bool StoreReader::expired(uint32_t epoch) const {
  const std::shared_lock lock(impl_->mutex);
  return impl_->expired.contains(epoch);
}

void StoreReader::ReadChunk(uint32_t epoch, uint64_t chunk, LabelBatch* labels, size_t temperature) const {
  const ChunkPlace place = impl_->Place(epoch, chunk);
  const RecordCache::Record record = impl_->Record(epoch, chunk);
  impl_->codec->DecodeLabels(place, record->ToStringView(), labels, temperature);
}

LabelCodes StoreReader::ReadChunkCodes(uint32_t epoch, uint64_t chunk) const {
  const ChunkPlace place = impl_->Place(epoch, chunk);
  const RecordCache::Record record = impl_->Record(epoch, chunk);
  return impl_->codec->Decode(place, record->ToStringView());
}

SampleKeys StoreReader::ReadSampleKeys() const {
  const std::shared_lock lock(impl_->mutex);
  const std::vector<std::string> records = ReadKeyRecords(*impl_->database, impl_->path);
  return records.empty() ? SampleKeys() : DecodeSampleKeys(records, impl_->schema->layout.num_samples);
}

void StoreReader::ReadSamples(uint32_t epoch, uint64_t chunk, uint32_t begin, uint32_t end, LabelBatch* labels,
                              size_t temperature) const {
  constexpr uint32_t kFew = 8;  // decoding one of so many samples takes as long as decoding all
  const ChunkPlace place = impl_->Place(epoch, chunk);
  if (begin > end || end > place.num_samples) {
    Fail(ErrorCode::kInvalidArgument, "{}: samples [{}, {}) of {}", impl_->Describe(epoch, chunk), begin, end,
         place.num_samples);
  }
  const RecordCache::Record record = impl_->Record(epoch, chunk);
  if ((end - begin) * kFew < place.num_samples) {
    thread_local LabelCodes codes;
    for (uint32_t index = begin; index < end; ++index) {
      impl_->DecodeSample(place, record->ToStringView(), index, &codes);
      impl_->AppendSample(place, codes, temperature, labels);
    }
  } else if (end - begin == place.num_samples) {
    impl_->codec->DecodeLabels(place, record->ToStringView(), labels, temperature);
  } else {
    thread_local LabelBatch all;
    all.Clear();
    impl_->codec->DecodeLabels(place, record->ToStringView(), &all, temperature);
    labels->AppendSamples(all, begin, end);
  }
}

void StoreReader::ReadLabel(uint32_t epoch, uint64_t position, LabelBatch* labels, size_t temperature) const {
  thread_local LabelCodes codes;  // allocating its columns would take as long as decoding them
  impl_->ReadSample(epoch, position, &codes);
  impl_->AppendSample(impl_->Place(epoch, position / schema().layout.chunk_size), codes, temperature, labels);
}

void StoreReader::ReadLabels(uint32_t epoch, std::span<const uint64_t> positions, LabelBatch* labels,
                             size_t temperature) const {
  constexpr size_t kLabelsAtOnce = 32;  // what the codec reads side by side
  if (schema().codec.windows) {
    for (const uint64_t position : positions) ReadLabel(epoch, position, labels, temperature);
    return;
  }
  const uint32_t chunk_size = schema().layout.chunk_size;
  std::array<RecordCache::Record, kLabelsAtOnce> records;
  std::array<ChunkCodec::SampleRecord, kLabelsAtOnce> samples;
  while (!positions.empty()) {
    const auto now = positions.first(std::min(kLabelsAtOnce, positions.size()));
    for (size_t i = 0; i < now.size(); ++i) {
      impl_->RequirePosition(now[i]);
      const ChunkPlace place = impl_->Place(epoch, now[i] / chunk_size);
      const bool is_same = i > 0 && samples[i - 1].place.chunk == place.chunk;
      if (!is_same) records[i] = impl_->Record(epoch, place.chunk);
      samples[i] = {.place = place,
                    .record = is_same ? samples[i - 1].record : records[i]->ToStringView(),
                    .index = now[i] % chunk_size};
    }
    try {
      impl_->codec->DecodeSamples(std::span(samples).first(now.size()), labels, temperature);
    } catch (const Error& error) {
      Fail(error.code(), "{}: {}", path(), error.what());
    }
    positions = positions.subspan(now.size());
  }
}

LabelCodes StoreReader::ReadSampleCodes(uint32_t epoch, uint64_t position) const {
  LabelCodes codes;
  impl_->ReadSample(epoch, position, &codes);
  return codes;
}

void StoreReader::Impl::RequirePosition(uint64_t position) const {
  if (position < schema->layout.num_samples) return;
  Fail(ErrorCode::kInvalidArgument, "{}: position {} is not below {}", path, position, schema->layout.num_samples);
}

void StoreReader::Impl::ReadSample(uint32_t epoch, uint64_t position, LabelCodes* codes) {
  const Layout& layout = schema->layout;
  RequirePosition(position);
  const ChunkPlace place = Place(epoch, position / layout.chunk_size);
  const RecordCache::Record record = Record(epoch, place.chunk);
  DecodeSample(place, record->ToStringView(), position % layout.chunk_size, codes);
}

void StoreReader::Impl::DecodeSample(const ChunkPlace& place, std::string_view record, size_t index,
                                     LabelCodes* codes) const {
  try {
    codec->DecodeSample(place, record, index, codes);
  } catch (const Error& error) {
    Fail(error.code(), "{}, {}", Describe(place.epoch, place.chunk), error.what());
  }
}

void StoreReader::Impl::AppendSample(const ChunkPlace& place, const LabelCodes& codes, size_t temperature,
                                     LabelBatch* labels) const {
  try {
    codec->Dequantise(codes, 0, codes.size(), labels, temperature);
  } catch (const Error& error) {
    Fail(error.code(), "{}: {}", Describe(place.epoch, place.chunk), error.what());
  }
  if (codes.windows.empty()) return;
  labels->window_offsets.push_back(static_cast<uint32_t>(labels->window_offsets.back() + codes.size()));
  labels->window_hashes.push_back(codes.window_hashes.front());
  labels->view_fingerprints.insert(labels->view_fingerprints.end(), codes.view_fingerprints.begin(),
                                   codes.view_fingerprints.end());
}

}  // namespace decant
