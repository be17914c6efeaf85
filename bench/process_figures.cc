#include "process_figures.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decant/base/error.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

template <typename Function>
void ForEachFile(const std::string& directory, Function function) {
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) function(entry.path().string());
  }
}

}  // namespace

double ResidentMebibytes() {
  ::malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double PeakResidentMebibytes() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

uint64_t DiskBytesWritten() {
  std::ifstream file("/proc/self/io");
  std::string key;
  for (uint64_t value = 0; file >> key >> value;) {
    if (key == "write_bytes:") return value;
  }
  return 0;
}

uint64_t AllocatedBytes(const std::string& directory) {
  uint64_t bytes = 0;
  ForEachFile(directory, [&](const std::string& path) {
    struct stat status;
    if (::stat(path.c_str(), &status) == 0) bytes += static_cast<uint64_t>(status.st_blocks) * 512;
  });
  return bytes;
}

void DropPages(const std::string& directory) {
  ForEachFile(directory, [](const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) FailErrno(errno, "open", path);
    ::fdatasync(file);
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  });
}

ScratchFolder::ScratchFolder(const std::string& parent) {
  path_ = (parent.empty() ? fs::temp_directory_path() : fs::path(parent)) / "decant-bench-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) FailErrno(errno, "create", path_);
}

ScratchFolder::~ScratchFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
}

}  // namespace decant
