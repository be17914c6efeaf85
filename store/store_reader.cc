#include "decant/store/store_reader.h"

#include <algorithm>
#include <filesystem>

#include "decant/base/error.h"

#include "rocksdb_util.h"
#include "store_records.h"

namespace decant {

struct StoreReader::Impl {
  std::string Record(uint32_t epoch, uint64_t chunk) const;
  ChunkPlace Place(uint32_t epoch, uint64_t chunk) const;

  std::string path;
  Database database;
  std::optional<Schema> schema;
  std::optional<ChunkCodec> codec;
  std::optional<std::string> digest;
  Ledger ledger;
};

ChunkPlace StoreReader::Impl::Place(uint32_t epoch, uint64_t chunk) const {
  const Layout& layout = schema->layout;
  if (epoch >= layout.num_epochs || chunk >= layout.chunks_per_epoch()) {
    Fail(ErrorCode::kInvalidArgument, "{}: chunk {} of epoch {}: the store has {} epochs of {} chunks", path, chunk,
         epoch, layout.num_epochs, layout.chunks_per_epoch());
  }
  return {.epoch = epoch, .chunk = chunk, .num_samples = layout.ChunkLabels(chunk)};
}

std::string StoreReader::Impl::Record(uint32_t epoch, uint64_t chunk) const {
  std::string record;
  const std::string place = fmt::format("{}, chunk {} of epoch {}", path, chunk, epoch);
  if (GetValue(database.db.get(), database.labels, ChunkKey(epoch, chunk), &record, place)) return record;
  const Span span = schema->layout.SpanOf(epoch, chunk);
  if (!ledger[span.index]) {
    Fail(ErrorCode::kNotFound, "{}: not labelled yet; `decant produce` continues the store", place);
  }
  Fail(ErrorCode::kDataLoss, "{}: missing, although span {} is committed; `decant verify` tells what is damaged", place,
       span.index);
}

StoreReader::StoreReader(const std::string& path) : impl_(std::make_unique<Impl>()) {
  Impl& self = *impl_;
  self.path = path;
  std::error_code error;
  if (!std::filesystem::exists(DatabasePath(path) + "/CURRENT", error)) {
    Fail(ErrorCode::kNotFound, "there is no label store at {}", path);
  }
  rocksdb::DB* db = nullptr;
  CheckStatus(
      rocksdb::DB::OpenForReadOnly(StoreOptions(), DatabasePath(path), StoreFamilies(), &self.database.handles, &db),
      "open", path);
  self.database.Adopt(db);
  self.digest = ReadSeal(path);
  self.schema = ReadSchema(self.database, path);
  if (!self.schema && self.digest) {
    Fail(ErrorCode::kDataLoss,
         "{}: sealed as complete, but its schema is missing; `decant verify` tells what is damaged", path);
  }
  if (!self.schema) Fail(ErrorCode::kNotFound, "the store {} has no schema yet; run `decant produce` again", path);
  self.codec.emplace(MakeCodec(*self.schema));
  self.ledger = ReadLedger(self.database, self.schema->layout, path);
  if (self.digest && num_committed_spans() < self.schema->layout.num_spans()) {
    Fail(ErrorCode::kDataLoss,
         "{}: sealed as complete, but {} of {} spans are missing; `decant verify` tells what is damaged", path,
         self.schema->layout.num_spans() - num_committed_spans(), self.schema->layout.num_spans());
  }
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
  return static_cast<uint64_t>(std::count_if(impl_->ledger.begin(), impl_->ledger.end(),
                                             [](const auto& trailer) { return trailer.has_value(); }));
}

void StoreReader::ReadChunk(uint32_t epoch, uint64_t chunk, LabelBatch* labels) const {
  const ChunkPlace place = impl_->Place(epoch, chunk);
  impl_->codec->DecodeLabels(place, impl_->Record(epoch, chunk), labels);
}

void StoreReader::ReadLabel(uint32_t epoch, uint64_t position, LabelBatch* labels) const {
  const uint32_t chunk_size = impl_->schema->layout.chunk_size;
  if (position >= impl_->schema->layout.num_samples) {
    Fail(ErrorCode::kInvalidArgument, "{}: position {} is not below {}", impl_->path, position,
         impl_->schema->layout.num_samples);
  }
  const ChunkPlace place = impl_->Place(epoch, position / chunk_size);
  const LabelCodes codes = impl_->codec->DecodeSample(place, impl_->Record(epoch, place.chunk), position % chunk_size);
  impl_->codec->Dequantise(codes, 0, codes.size(), labels);
}

}  // namespace decant
