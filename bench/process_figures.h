#pragma once

#include <cstdint>
#include <string>

namespace decant {

// Memory of this process that is in RAM, after the allocator gave back what it can.
double ResidentMebibytes();
// The most memory that this process ever had in RAM.
double PeakResidentMebibytes();
// Bytes that the kernel counted as this process's writes to disk so far (/proc/self/io); 0 where it does not tell.
uint64_t DiskBytesWritten();
// Bytes of the regular files below `directory`, as the disk holds them.
uint64_t AllocatedBytes(const std::string& directory);
// Asks the kernel to forget the pages of all files below `directory`, which are written back first.
void DropPages(const std::string& directory);

// A new folder below `parent` (empty: the system's for temporary files), removed with everything in it at the end.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& parent);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace decant
