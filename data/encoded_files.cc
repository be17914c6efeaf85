#include "encoded_files.h"

#include <filesystem>

#include "decant/base/error.h"

namespace decant {

EncodedFiles::EncodedFiles(const std::string& folder, const std::vector<IndexedFile>& files)
    : folder_(folder), files_(files), open_files_(files.size()) {}

EncodedFiles::~EncodedFiles() {
  for (const auto& file : open_files_) delete file.load();
}

std::string EncodedFiles::PathOf(const SamplePlace& place) const {
  return std::filesystem::path(folder_) / (files_.empty() ? place.name : files_.at(place.file).name);
}

std::unique_ptr<InputFile> EncodedFiles::Open(const SamplePlace& place, uint64_t expected_size) const {
  auto file = std::make_unique<InputFile>(PathOf(place));
  if (file->size() != expected_size) {
    Fail(ErrorCode::kDataLoss,
         "{}: {} bytes, the dataset's index expects {}; if the dataset has changed, delete the index", file->path(),
         file->size(), expected_size);
  }
  return file;
}

void EncodedFiles::Read(const SamplePlace& place, std::string* bytes) const {
  constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
  if (place.size > kMaxBytes) {
    Fail(ErrorCode::kDataLoss, "{}: {} bytes for one sample, at most {} are read", PathOf(place), place.size,
         kMaxBytes);
  }
  std::unique_ptr<InputFile> opened;
  const InputFile* file = files_.empty() ? nullptr : open_files_[place.file].load(std::memory_order_acquire);
  if (file == nullptr) {
    opened = Open(place, files_.empty() ? place.size : files_.at(place.file).status.size);
    file = opened.get();
  }
  bytes->resize(place.size);
  file->ReadAt(place.offset, bytes->data(), place.size);
  if (opened && !files_.empty() && num_open_.load() < kMaxOpenFiles) {
    InputFile* none = nullptr;
    if (open_files_[place.file].compare_exchange_strong(none, opened.get())) {
      opened.release();
      ++num_open_;
    }
  }
}

}  // namespace decant
