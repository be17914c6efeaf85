#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/options.h>

namespace decant {

inline constexpr char kMetaFamily[] = "meta";
inline constexpr char kLabelsFamily[] = "labels";

// Keys of the column family `meta`.
inline constexpr char kSchemaKey[] = "schema";
inline constexpr char kTablesKey[] = "tables";
inline constexpr char kProvenanceKey[] = "provenance";

// Parts of a store: the database, the span files that wait to be committed, the codec tables for those who write spans,
// the seal of a complete store.
std::string DatabasePath(const std::string& store_path);
std::string StagingPath(const std::string& store_path);
std::string StagedTablesPath(const std::string& store_path);
std::string SealPath(const std::string& store_path);
// The store that a repair builds, inside the staging folder, before its database takes the place of the damaged one.
std::string RepairPath(const std::string& store_path);

// Throws the Error for a RocksDB status that is not OK: the one place where RocksDB's errors become ours.
void CheckStatus(const rocksdb::Status& status, std::string_view action, std::string_view path);

// The options of every database and file of a store.
inline constexpr size_t kDefaultCacheBytes = size_t{8} << 20;
rocksdb::Options StoreOptions(size_t cache_bytes = kDefaultCacheBytes);
std::vector<rocksdb::ColumnFamilyDescriptor> StoreFamilies(size_t cache_bytes = kDefaultCacheBytes);

// An open database: closes its column families before itself.
struct Database {
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* labels = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;

  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();
  // Takes over what RocksDB's Open functions return.
  void Adopt(rocksdb::DB* opened);
};

// Opens the database of the store at `path` for reading, with all that is in it at this moment. Writes and locks
// nothing. A `tolerant` opening goes on in spite of missing and damaged files, so that they can be named.
void OpenForReading(const std::string& path, bool tolerant, Database* database,
                    size_t cache_bytes = kDefaultCacheBytes);

// The lock that a writer of the store holds. kUnavailable when another writer has it.
class StoreLock {
 public:
  explicit StoreLock(const std::string& path);
  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

 private:
  rocksdb::FileLock* lock_ = nullptr;
};

// Reads the value of `key`; false when it is not there.
bool GetValue(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, std::string_view key, std::string* value,
              std::string_view path);

}  // namespace decant
