#pragma once

#include <string>
#include <vector>

#include "decant/data/npy.h"

#include "input_file.h"

namespace decant {

// A `.npy` file whose elements stay on disk. Thread-safe.
class NpyFile {
 public:
  // kNotFound, kUnavailable; kDataLoss for a file that is not one, or is not as long as its header says.
  explicit NpyFile(const std::string& path);

  const InputFile& file() const { return file_; }
  const std::string& descr() const { return header_.descr; }
  const std::vector<uint64_t>& shape() const { return header_.shape; }
  uint64_t num_bytes() const { return header_.num_bytes; }
  // Of the first element in the file.
  uint64_t offset() const { return header_.offset; }

 private:
  InputFile file_;
  NpyHeader header_;
};

}  // namespace decant
