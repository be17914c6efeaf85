#include "label_rows.h"

#ifdef DECANT_LMDB

#include <algorithm>

#include <lmdb.h>

#include "decant/base/bytes.h"
#include "decant/base/error.h"

#include "tinyvit_record.h"

namespace decant {
namespace {

void Check(int result, const char* action) {
  if (result != MDB_SUCCESS) Fail(ErrorCode::kUnavailable, "LMDB: {}: {}", action, mdb_strerror(result));
}

MDB_val Value(const std::string& bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

class LmdbRows : public LabelRows {
 public:
  LmdbRows(const std::string& directory, const RowShape& shape)
      : directory_(directory), record_(shape.num_classes, shape.k) {}
  ~LmdbRows() override { Close(); }

  std::string name() const override { return "lmdb"; }

  void Write(const CycledLabels& labels, uint64_t num_labels) override {
    // Room for pages that are half empty in the worst case.
    OpenEnvironment(0, (num_labels * (record_.bytes() + 64) * 2 / 4096 + 4096) * 4096);
    LabelBatch chunk;
    for (uint64_t begin = 0; begin < num_labels;) {
      MDB_txn* transaction = nullptr;
      MDB_dbi table = 0;
      Check(mdb_txn_begin(environment_, nullptr, 0, &transaction), "begin");
      Check(mdb_dbi_open(transaction, nullptr, 0, &table), "open the table");
      for (int chunks = 0; chunks < 64 && begin < num_labels; ++chunks, begin += chunk.size()) {
        chunk.Clear();
        labels.Append(begin, std::min<uint64_t>(begin + CycledLabels::kChunkLabels, num_labels), &chunk);
        for (size_t i = 0; i < chunk.size(); ++i) Append(transaction, table, chunk, i, begin + i);
      }
      Check(mdb_txn_commit(transaction), "commit");
    }
    Check(mdb_env_sync(environment_, 1), "sync");
    Close();
  }

  void Open(Access access) override {
    OpenEnvironment(MDB_RDONLY | (access == Access::kRandom ? unsigned{MDB_NORDAHEAD} : 0u), 0);
    Check(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reading_), "begin reading");
    Check(mdb_dbi_open(reading_, nullptr, 0, &table_), "open the table");
    Check(mdb_cursor_open(reading_, table_, &cursor_), "open a cursor");
  }

  void Close() override {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
    if (reading_ != nullptr) mdb_txn_abort(reading_);
    if (environment_ != nullptr) mdb_env_close(environment_);
    cursor_ = nullptr;
    reading_ = nullptr;
    environment_ = nullptr;
  }

  void ReadOne(uint64_t position, LabelBatch* labels) override {
    MDB_val key = Key(position), value;
    Check(mdb_get(reading_, table_, &key, &value), "get");
    record_.Decode(static_cast<const char*>(value.mv_data), labels);
  }

  void ReadChunk(uint64_t begin, uint64_t end, LabelBatch* labels) override {
    MDB_val key = Key(begin), value;
    for (uint64_t i = begin; i < end; ++i) {
      Check(mdb_cursor_get(cursor_, &key, &value, i == begin ? MDB_SET_KEY : MDB_NEXT), "advance");
      record_.Decode(static_cast<const char*>(value.mv_data), labels);
    }
  }

 private:
  void OpenEnvironment(unsigned flags, size_t map_bytes) {
    Check(mdb_env_create(&environment_), "create an environment");
    if (map_bytes > 0) Check(mdb_env_set_mapsize(environment_, map_bytes), "set the map's size");
    Check(mdb_env_open(environment_, directory_.c_str(), flags | MDB_NOLOCK, 0644), "open");
  }

  MDB_val Key(uint64_t position) {
    key_.clear();
    AppendBigEndian(&key_, position);
    return Value(key_);
  }

  void Append(MDB_txn* transaction, MDB_dbi table, const LabelBatch& chunk, size_t i, uint64_t position) {
    std::string bytes;
    record_.Append(chunk, i, static_cast<int32_t>(position), &bytes);
    MDB_val key = Key(position), value = Value(bytes);
    Check(mdb_put(transaction, table, &key, &value, MDB_APPEND), "append");
  }

  const std::string directory_;
  TinyVitRecord record_;
  std::string key_;
  MDB_env* environment_ = nullptr;
  MDB_txn* reading_ = nullptr;
  MDB_dbi table_ = 0;
  MDB_cursor* cursor_ = nullptr;
};

}  // namespace

std::unique_ptr<LabelRows> MakeLmdbRows(const std::string& directory, const RowShape& shape) {
  return std::make_unique<LmdbRows>(directory, shape);
}

}  // namespace decant

#else

namespace decant {

std::unique_ptr<LabelRows> MakeLmdbRows(const std::string&, const RowShape&) {
  return nullptr;
}

}  // namespace decant

#endif
