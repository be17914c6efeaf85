#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decant/base/error.h"

#include "label_rows.h"
#include "tinyvit_record.h"

namespace decant {
namespace {

constexpr char kFileName[] = "/values.bin";

class FlatRows : public LabelRows {
 public:
  FlatRows(const std::string& directory, const RowShape& shape, bool mapped)
      : path_(directory + kFileName),
        record_(shape.num_classes, shape.k),
        mapped_(mapped),
        bytes_(record_.bytes(), 0) {}
  ~FlatRows() override { Close(); }

  std::string name() const override { return mapped_ ? "flat_mmap" : "flat_pread"; }

  void Write(const CycledLabels& labels, uint64_t num_labels) override {
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) FailErrno(errno, "create", path_);
    LabelBatch chunk;
    std::string records;
    for (uint64_t begin = 0; begin < num_labels; begin += CycledLabels::kChunkLabels) {
      chunk.Clear();
      records.clear();
      labels.Append(begin, std::min(begin + CycledLabels::kChunkLabels, num_labels), &chunk);
      for (size_t i = 0; i < chunk.size(); ++i) record_.Append(chunk, i, static_cast<int32_t>(begin + i), &records);
      for (std::string_view rest = records; !rest.empty();) {
        const ssize_t written = ::write(file, rest.data(), rest.size());
        if (written < 0) FailErrno(errno, "write", path_);
        rest.remove_prefix(static_cast<size_t>(written));
      }
    }
    if (::fsync(file) != 0) FailErrno(errno, "fsync", path_);
    ::close(file);
  }

  void Open(Access access) override {
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0) FailErrno(errno, "open", path_);
    ::posix_fadvise(file_, 0, 0, access == Access::kRandom ? POSIX_FADV_RANDOM : POSIX_FADV_SEQUENTIAL);
    if (!mapped_) return;
    struct stat status;
    if (::fstat(file_, &status) != 0) FailErrno(errno, "stat", path_);
    map_bytes_ = static_cast<size_t>(status.st_size);
    map_ = ::mmap(nullptr, map_bytes_, PROT_READ, MAP_SHARED, file_, 0);
    if (map_ == MAP_FAILED) FailErrno(errno, "map", path_);
    ::madvise(map_, map_bytes_, access == Access::kRandom ? MADV_RANDOM : MADV_SEQUENTIAL);
  }

  void Close() override {
    if (map_bytes_ > 0) ::munmap(map_, map_bytes_);
    if (file_ >= 0) ::close(file_);
    map_bytes_ = 0;
    file_ = -1;
  }

  void ReadOne(uint64_t position, LabelBatch* labels) override { Read(position, position + 1, labels); }
  void ReadChunk(uint64_t begin, uint64_t end, LabelBatch* labels) override { Read(begin, end, labels); }

 private:
  void Read(uint64_t begin, uint64_t end, LabelBatch* labels) {
    const size_t size = record_.bytes();
    const char* records = static_cast<const char*>(map_) + begin * size;
    if (!mapped_) {
      bytes_.resize(std::max(bytes_.size(), (end - begin) * size));
      const auto wanted = static_cast<ssize_t>((end - begin) * size);
      if (::pread(file_, bytes_.data(), (end - begin) * size, static_cast<off_t>(begin * size)) != wanted) {
        FailErrno(errno, "read", path_);
      }
      records = bytes_.data();
    }
    for (uint64_t i = 0; i < end - begin; ++i) record_.Decode(records + i * size, labels);
  }

  const std::string path_;
  TinyVitRecord record_;
  const bool mapped_;
  std::vector<char> bytes_;
  int file_ = -1;
  void* map_ = nullptr;
  size_t map_bytes_ = 0;
};

}  // namespace

std::unique_ptr<LabelRows> MakeFlatRows(const std::string& directory, const RowShape& shape, bool mapped) {
  return std::make_unique<FlatRows>(directory, shape, mapped);
}

}  // namespace decant
