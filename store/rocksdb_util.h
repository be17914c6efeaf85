#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include "store_folder.h"

namespace decant {

inline constexpr char kMetaFamily[] = "meta";
inline constexpr char kLabelsFamily[] = "labels";

// Keys of the column family `meta`.
inline constexpr char kSchemaKey[] = "schema";
inline constexpr char kTablesKey[] = "tables";
inline constexpr char kProvenanceKey[] = "provenance";

// Throws the Error for a RocksDB status that is not OK: the one place where RocksDB's errors become ours.
void CheckStatus(const rocksdb::Status& status, std::string_view action, std::string_view path);

// Whether a database was not opened because another process has locked it.
bool IsLocked(const rocksdb::Status& status);

// While it lives, RocksDB removes no SST from a database on this thread. After an ingestion that failed it would: even
// where what failed is the fsync after its list of files was written, so that the list names a file that is not there.
class KeepFiles {
 public:
  KeepFiles();
  ~KeepFiles();
  KeepFiles(const KeepFiles&) = delete;
  KeepFiles& operator=(const KeepFiles&) = delete;
};

// The options of every database and file of a store.
rocksdb::Options StoreOptions();
std::vector<rocksdb::ColumnFamilyDescriptor> StoreFamilies();

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
void OpenForReading(const std::string& path, bool tolerant, Database* database);

// Reads the value of `key`; false when it is not there.
bool GetValue(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, std::string_view key, std::string* value,
              std::string_view path);

}  // namespace decant
