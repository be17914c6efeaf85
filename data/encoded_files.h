#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
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
  ~EncodedFiles();

  // The path of the file that a sample lies in.
  std::string PathOf(const SamplePlace& place) const;
  // Reads the sample into re-used memory. kDataLoss for a file of another size than the index has; kNotFound,
  // kUnavailable, kExhausted.
  void Read(const SamplePlace& place, std::string* bytes) const;

  static constexpr size_t kMaxOpenFiles = 256;

 private:
  std::unique_ptr<InputFile> Open(const SamplePlace& place, uint64_t expected_size) const;

  std::string folder_;
  std::vector<IndexedFile> files_;
  mutable std::vector<std::atomic<InputFile*>> open_files_;
  mutable std::atomic<size_t> num_open_ = 0;
};

}  // namespace decant
