#include <algorithm>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/table.h>

#include "decant/base/bytes.h"
#include "decant/base/error.h"

#include "label_rows.h"
#include "tinyvit_record.h"

namespace decant {
namespace {

void Check(const rocksdb::Status& status, const char* action) {
  if (!status.ok()) Fail(ErrorCode::kUnavailable, "RocksDB: {}: {}", action, status.ToString());
}

// What a user who has read the tuning guide sets for small values that are written once: nothing to compress in
// float16, 16 KiB blocks, a hash index in each block, and a cache that holds all that is read.
rocksdb::Options RowOptions() {
  rocksdb::BlockBasedTableOptions table;
  table.block_size = 16 << 10;
  table.block_cache = rocksdb::NewLRUCache(size_t{1} << 30);
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 64 << 20;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class RocksDbRows : public LabelRows {
 public:
  RocksDbRows(const std::string& directory, const RowShape& shape)
      : directory_(directory), record_(shape.num_classes, shape.k) {}

  std::string name() const override { return "rocksdb_rows"; }

  void Write(const CycledLabels& labels, uint64_t num_labels) override {
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(RowOptions(), directory_, &db), "create");
    db_.reset(db);
    rocksdb::WriteOptions no_log;
    no_log.disableWAL = true;
    LabelBatch chunk;
    for (uint64_t begin = 0; begin < num_labels; begin += chunk.size()) {
      chunk.Clear();
      labels.Append(begin, std::min<uint64_t>(begin + CycledLabels::kChunkLabels, num_labels), &chunk);
      rocksdb::WriteBatch batch;
      for (size_t i = 0; i < chunk.size(); ++i) {
        std::string bytes;
        record_.Append(chunk, i, static_cast<int32_t>(begin + i), &bytes);
        batch.Put(Key(begin + i), bytes);
      }
      Check(db_->Write(no_log, &batch), "write");
    }
    Check(db_->Flush({}), "flush");
    Check(db_->CompactRange({}, nullptr, nullptr), "compact");
    Close();
  }

  void Open(Access) override {
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::OpenForReadOnly(RowOptions(), directory_, &db), "open");
    db_.reset(db);
    iterator_.reset(db_->NewIterator({}));
  }

  void Close() override {
    iterator_.reset();
    db_.reset();
  }

  void ReadOne(uint64_t position, LabelBatch* labels) override {
    Check(db_->Get({}, db_->DefaultColumnFamily(), Key(position), &value_), "get");
    record_.Decode(value_.data(), labels);
    value_.Reset();
  }

  void ReadChunk(uint64_t begin, uint64_t end, LabelBatch* labels) override {
    iterator_->Seek(Key(begin));
    for (uint64_t i = begin; i < end; ++i, iterator_->Next()) {
      if (!iterator_->Valid()) Fail(ErrorCode::kDataLoss, "RocksDB: no label {}", i);
      record_.Decode(iterator_->value().data(), labels);
    }
  }

 private:
  const std::string& Key(uint64_t position) {
    key_.clear();
    AppendBigEndian(&key_, position);
    return key_;
  }

  const std::string directory_;
  TinyVitRecord record_;
  std::string key_;
  rocksdb::PinnableSlice value_;
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

std::unique_ptr<LabelRows> MakeRocksDbRows(const std::string& directory, const RowShape& shape) {
  return std::make_unique<RocksDbRows>(directory, shape);
}

}  // namespace decant
