#include "input_file.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decant/base/error.h"

namespace decant {
namespace {

FileStatus ToStatus(const struct stat& status, const std::string& path) {
  if (!S_ISREG(status.st_mode)) Fail(ErrorCode::kInvalidArgument, "{} is not a file", path);
  return {.size = static_cast<uint64_t>(status.st_size),
          .mtime_ns = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

}  // namespace

FileStatus StatFile(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) FailErrno(errno, "read", path);
  return ToStatus(status, path);
}

// O_NONBLOCK: a pipe is told, not waited for.
InputFile::InputFile(const std::string& path)
    : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (fd_ < 0) FailErrno(errno, "read", path);
  try {
    struct stat status;
    if (::fstat(fd_, &status) != 0) FailErrno(errno, "read", path);
    status_ = ToStatus(status, path);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

InputFile::~InputFile() {
  ::close(fd_);
}

void InputFile::ReadAt(uint64_t offset, void* to, size_t size) const {
  auto* bytes = static_cast<char*>(to);
  size_t done = 0;
  while (done < size) {
    const ssize_t count = ::pread(fd_, bytes + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0) {
      if (errno == EINTR) continue;
      FailErrno(errno, "read", path_);
    }
    if (count == 0) {
      Fail(ErrorCode::kDataLoss, "{}: ends at byte {}, expected {} bytes from {} on", path_, offset + done, size,
           offset);
    }
    done += static_cast<size_t>(count);
  }
}

}  // namespace decant
