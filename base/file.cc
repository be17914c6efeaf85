#include "decant/base/file.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "decant/base/error.h"

namespace decant {
namespace {

// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

void WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      FailErrno(errno, "write", path);
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
}

// Renames a file with `content` into place.
void Replace(const std::string& path, std::string_view content, bool sync) {
  const std::string temporary = fmt::format("{}.tmp-{}", path, ::getpid());
  try {
    const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (file.get() < 0) FailErrno(errno, "create", temporary);
    WriteAll(file.get(), content, temporary);
    if (sync && ::fsync(file.get()) != 0) FailErrno(errno, "fsync", temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) FailErrno(errno, "rename to", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace

std::string ReadFile(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  if (file.get() < 0) FailErrno(errno, "read", path);
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t size = ::read(file.get(), buffer, sizeof buffer);
    if (size < 0) {
      if (errno == EINTR) continue;
      FailErrno(errno, "read", path);
    }
    if (size == 0) return content;
    content.append(buffer, static_cast<size_t>(size));
  }
}

void WriteFileAtomically(const std::string& path, std::string_view content) {
  const std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  CreateDirectories(parent);
  Replace(path, content, true);
  SyncDirectory(parent);
}

void ReplaceFile(const std::string& path, std::string_view content) {
  Replace(path, content, false);
}

void AppendToFile(const std::string& path, std::string_view content) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_APPEND);
  if (file.get() < 0) FailErrno(errno, "open", path);
  WriteAll(file.get(), content, path);
}

void SyncFile(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  if (file.get() < 0) FailErrno(errno, "open", path);
  if (::fsync(file.get()) != 0) FailErrno(errno, "fsync", path);
}

void SyncDirectory(const std::string& path) {
  const Descriptor directory(path, O_RDONLY | O_DIRECTORY);
  if (directory.get() < 0) FailErrno(errno, "open", path);
  if (::fsync(directory.get()) != 0) FailErrno(errno, "fsync", path);
}

void MoveFile(const std::string& from, const std::string& to) {
  const std::string parent = std::filesystem::absolute(to).parent_path();
  if (::rename(from.c_str(), to.c_str()) == 0) return SyncDirectory(parent);
  if (errno != EXDEV) FailErrno(errno, "rename to", to);
  const std::string partial = to + ".partial";
  try {
    std::error_code error;
    std::filesystem::copy_file(from, partial, std::filesystem::copy_options::overwrite_existing, error);
    if (error) FailErrno(error.value(), "copy to", partial);
    SyncFile(partial);
    if (::rename(partial.c_str(), to.c_str()) != 0) FailErrno(errno, "rename to", to);
  } catch (...) {
    ::unlink(partial.c_str());
    throw;
  }
  SyncDirectory(parent);
  ::unlink(from.c_str());
}

uint64_t FreeBytes(const std::string& path) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(path, error);
  if (error) FailErrno(error.value(), "tell the free space of", path);
  return space.available;
}

void CreateDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) FailErrno(error.value(), "create directory", path);
}

}  // namespace decant
