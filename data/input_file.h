#pragma once

#include <cstdint>
#include <string>

namespace decant {

struct FileStatus {
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  bool operator==(const FileStatus&) const = default;
};

// Of a regular file. kNotFound, kUnavailable; kInvalidArgument for anything else than a file.
FileStatus StatFile(const std::string& path);

// A regular file that is read at any offset. Thread-safe.
class InputFile {
 public:
  // kNotFound, kUnavailable, kExhausted; kInvalidArgument for anything else than a file.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  // When it was opened.
  const FileStatus& status() const { return status_; }
  uint64_t size() const { return status_.size; }
  // kDataLoss when the file ends before `size` bytes are read; kUnavailable.
  void ReadAt(uint64_t offset, void* to, size_t size) const;

 private:
  std::string path_;
  int fd_;
  FileStatus status_;
};

}  // namespace decant
