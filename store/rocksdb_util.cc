#include "rocksdb_util.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/file_system.h>
#include <rocksdb/table.h>
#include <sys/resource.h>
#include <unistd.h>

#include "decant/base/error.h"

namespace decant {
namespace {

// RocksDB's own log goes nowhere: as Debian builds it (with assertions), a log that cannot be written on a full disk
// ends the process.
class SilentLogger : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

thread_local bool keeps_files = false;

// "000012.sst"
bool IsDatabaseFile(const std::string& name) {
  const std::string_view file = std::string_view(name).substr(name.rfind('/') + 1);
  return file.ends_with(".sst") && file.find_first_not_of("0123456789") == file.size() - 4;
}

// RocksDB reopens each ingested file to fsync it, 1.3 ms a file, and goes on where a file system does not support that.
// Span files are durable before they are ingested; those of a sealed store, linked into another one, cannot even be
// opened for writing.
class StoreFileSystem : public rocksdb::FileSystemWrapper {
 public:
  StoreFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "StoreFileSystem"; }
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions&,
                                       std::unique_ptr<rocksdb::FSWritableFile>*, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::NotSupported(name);
  }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (keeps_files && IsDatabaseFile(name)) return rocksdb::IOStatus::OK();
    return target()->DeleteFile(name, options, debug);
  }
  // Some shared file systems have no locks. The writer's lease does without.
  rocksdb::IOStatus LockFile(const std::string& name, const rocksdb::IOOptions& options, rocksdb::FileLock** lock,
                             rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = target()->LockFile(name, options, lock, debug);
    for (const int error : {ENOSYS, ENOLCK, EOPNOTSUPP}) {
      if (status.ok() || status.ToString().find(std::strerror(error)) == std::string::npos) continue;
      *lock = nullptr;
      return rocksdb::IOStatus::OK();
    }
    return status;
  }
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* lock, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    return lock ? target()->UnlockFile(lock, options, debug) : rocksdb::IOStatus::OK();
  }
};

rocksdb::Env* StoreEnv() {
  static const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(std::make_shared<StoreFileSystem>());
  return env.get();
}

// Whether a store's creator died, or is not done: its column families come one by one, before any file of it.
bool IsBeingCreated(const rocksdb::Status& status, const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (status.ToString().find("Column family not found") == std::string::npos || fs::exists(SealPath(path), error)) {
    return false;
  }
  const auto is_sst = [](const fs::directory_entry& entry) { return entry.path().extension() == ".sst"; };
  return std::none_of(fs::directory_iterator(DatabasePath(path), error), fs::directory_iterator(), is_sst);
}

// Well under what the process may open: RocksDB 7.8 ends a read with OK when descriptors run out.
int MaxOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  return static_cast<int>(std::clamp<rlim_t>(limit.rlim_cur / 4, 16, 4096));
}

}  // namespace

bool IsLocked(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return text.find("While lock file") != std::string::npos || text.find("lock hold by current") != std::string::npos;
}

KeepFiles::KeepFiles() {
  keeps_files = true;
}
KeepFiles::~KeepFiles() {
  keeps_files = false;
}

void CheckStatus(const rocksdb::Status& status, std::string_view action, std::string_view path) {
  if (status.ok()) return;
  const std::string text = status.ToString();
  if (status.IsNoSpace() || text.find("No space left") != std::string::npos) {
    Fail(ErrorCode::kExhausted, "cannot {} {}: no space left on the device; make room and run again", action, path);
  }
  if (IsLocked(status)) {
    Fail(ErrorCode::kUnavailable, "cannot {} {}: another process is writing to this store", action, path);
  }
  if (text.find("Permission denied") != std::string::npos || text.find("Read-only file system") != std::string::npos) {
    Fail(ErrorCode::kUnavailable, "cannot {} {}: no permission ({})", action, path, text);
  }
  if (text.find("No such file or directory") != std::string::npos) {
    // RocksDB's own text names the file by a suffix that it does not have.
    Fail(ErrorCode::kDataLoss, "cannot {} {}: a file of it is missing; `decant verify` names it", action, path);
  }
  if (status.IsCorruption() || text.find("Column family not found") != std::string::npos || status.IsNotFound() ||
      status.IsPathNotFound()) {
    Fail(ErrorCode::kDataLoss, "cannot {} {}: {}; `decant verify` tells what is damaged", action, path, text);
  }
  Fail(ErrorCode::kUnavailable, "cannot {} {}: {}", action, path, text);
}

rocksdb::Options StoreOptions() {
  rocksdb::Options options;
  options.env = StoreEnv();
  options.create_if_missing = false;
  options.create_missing_column_families = false;
  options.info_log = std::make_shared<SilentLogger>();
  options.disable_auto_compactions = true;
  options.compression = rocksdb::kNoCompression;  // the codec has compressed already
  options.max_open_files = MaxOpenFiles();
  options.skip_stats_update_on_db_open = true;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  options.use_fsync = true;
  options.write_buffer_size = 1 << 20;  // `meta` holds a handful of records; labels are ingested

  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.block_size = 4 << 10;  // most chunks, and so the trailers too, have blocks of their own
  table.block_cache = rocksdb::NewLRUCache(size_t{8} << 20);  // chunks that are read often: RecordCache
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> StoreFamilies() {
  const rocksdb::ColumnFamilyOptions options(StoreOptions());
  return {{rocksdb::kDefaultColumnFamilyName, options}, {kMetaFamily, options}, {kLabelsFamily, options}};
}

Database::~Database() {
  if (!db) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  db->Close();
}

void Database::Adopt(rocksdb::DB* opened) {
  db.reset(opened);
  meta = handles.at(1);
  labels = handles.at(2);
}

void OpenForReading(const std::string& path, bool tolerant, Database* database) {
  rocksdb::Options options = StoreOptions();
  options.paranoid_checks = !tolerant;
  options.skip_checking_sst_file_sizes_on_db_open = tolerant;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(options, DatabasePath(path), StoreFamilies(), &database->handles, &db);
  if (!status.ok() && IsBeingCreated(status, path)) {
    Fail(ErrorCode::kNotFound, "the store {} has no schema yet; run `decant produce` again", path);
  }
  CheckStatus(status, "open", path);
  database->Adopt(db);
}

bool GetValue(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, std::string_view key, std::string* value,
              std::string_view path) {
  const rocksdb::Status status = db->Get({}, family, rocksdb::Slice(key.data(), key.size()), value);
  if (status.IsNotFound()) return false;
  CheckStatus(status, "read from", path);
  return true;
}

}  // namespace decant
