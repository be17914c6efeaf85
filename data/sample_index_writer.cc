#include <bit>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/base/hash.h"

#include "index_meta.h"

namespace decant {
namespace {

static_assert(std::endian::native == std::endian::little, "columns are written as they lie in memory");

// A file of a name of its own beside `path`, that takes its place when it is complete.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path) : path_(path), temporary_(path + ".tmp-XXXXXX") {
    fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (fd_ < 0) FailErrno(errno, "create", path);
    ::fchmod(fd_, 0644);
  }
  ~AtomicFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) FailErrno(errno, "write", temporary_);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
  }
  void Finish() {
    if (::fsync(fd_) != 0) FailErrno(errno, "fsync", temporary_);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) FailErrno(errno, "rename to", path_);
    ::close(fd_);
    fd_ = -1;
    SyncDirectory(std::filesystem::absolute(path_).parent_path());
  }

 private:
  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

template <typename T>
std::string_view BytesOf(const std::vector<T>& column) {
  return {reinterpret_cast<const char*>(column.data()), column.size() * sizeof(T)};
}

std::string HeaderAndMeta(std::string meta, const IndexColumns& columns, uint64_t columns_bytes,
                          const Digest128& checksum) {
  while (meta.size() % sizeof(uint64_t) != 0) meta.push_back(' ');
  const int flags = (columns.files.empty() ? 0 : kIndexHasFiles) | (columns.hashes.empty() ? 0 : kIndexHasHashes) |
                    (columns.labels.empty() ? 0 : kIndexHasLabels);
  ByteWriter header;
  header.PutBytes(kIndexMagic);
  header.Put(kIndexVersion);
  header.Put(static_cast<uint16_t>(flags));
  header.Put(uint64_t{kIndexHeaderBytes + meta.size() + columns_bytes});
  header.Put(columns.num_samples());
  header.Put(uint64_t{meta.size()});
  header.Put(uint64_t{columns.names.size()});
  header.PutBytes({reinterpret_cast<const char*>(checksum.data()), checksum.size()});
  const uint64_t header_checksum = Xxh3(header.bytes() + meta);
  header.Put(header_checksum);
  header.PutBytes(meta);
  return header.Take();
}

}  // namespace

void WriteSampleIndex(const std::string& path, const IndexMeta& meta, const IndexColumns& columns) {
  const std::string_view parts[] = {BytesOf(columns.sizes),
                                    BytesOf(columns.name_ends),
                                    BytesOf(columns.offsets),
                                    BytesOf(columns.hashes),
                                    BytesOf(columns.files),
                                    BytesOf(columns.labels),
                                    columns.names};
  Xxh3Stream checksum;
  uint64_t columns_bytes = 0;
  for (const std::string_view part : parts) {
    checksum.Update(part.data(), part.size());
    columns_bytes += part.size();
  }
  try {
    AtomicFile file(path);
    file.Write(HeaderAndMeta(MetaToJson(meta).dump(), columns, columns_bytes, checksum.Digest()));
    for (const std::string_view part : parts) file.Write(part);
    file.Finish();
  } catch (const Error& error) {
    Fail(error.code(), "{}: the dataset's index has no place there; set data.index to a file that can be written",
         error.what());
  }
}

}  // namespace decant
