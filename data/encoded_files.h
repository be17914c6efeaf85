#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "input_file.h"
#include "sample_index.h"

namespace decant {

// Where the encoded bytes of a sample lie.
struct SamplePlace {
  std::string_view name;
  uint32_t file = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// The files that hold encoded samples: one for each, or some for all. Thread-safe.
class EncodedFiles {
 public:
  // One file for each sample, called by its name in `folder`.
  explicit EncodedFiles(const std::string& folder) : folder_(folder) {}
  // Samples are parts of these files in `folder`. The first kMaxOpenFiles that are read stay open.
  EncodedFiles(const std::string& folder, const std::vector<IndexedFile>& files);

  // The path of the file that a sample lies in.
  std::string PathOf(const SamplePlace& place) const;
  // Reads the sample into re-used memory. kDataLoss for a file of another size than the index has; kNotFound,
  // kUnavailable, kExhausted.
  void Read(const SamplePlace& place, std::string* bytes) const;

  static constexpr size_t kMaxOpenFiles = 256;

 private:
  std::unique_ptr<InputFile> Open(const SamplePlace& place) const;
  void Keep(uint32_t file, std::unique_ptr<InputFile> opened) const;

  std::string folder_;
  std::vector<IndexedFile> files_;  // none: each sample has its own
  mutable std::vector<std::atomic<const InputFile*>> open_files_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<InputFile>> kept_;  // what open_files_ points to; guarded by mutex_
};

}  // namespace decant
