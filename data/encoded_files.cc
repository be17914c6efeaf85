#include "encoded_files.h"

#include <filesystem>

#include "decant/base/error.h"

namespace decant {

EncodedFiles::EncodedFiles(const std::string& folder, const std::vector<IndexedFile>& files)
    : folder_(folder), files_(files), open_files_(files.size()) {}

std::string EncodedFiles::PathOf(const SamplePlace& place) const {
  return std::filesystem::path(folder_) / (files_.empty() ? place.name : files_.at(place.file).name);
}

std::unique_ptr<InputFile> EncodedFiles::Open(const SamplePlace& place) const {
  auto file = std::make_unique<InputFile>(PathOf(place));
  const uint64_t expected = files_.empty() ? place.size : files_.at(place.file).status.size;
  if (file->size() != expected) {
    Fail(ErrorCode::kDataLoss,
         "{}: {} bytes, the dataset's index expects {}; if the dataset has changed, delete the index", file->path(),
         file->size(), expected);
  }
  return file;
}

void EncodedFiles::Keep(uint32_t file, std::unique_ptr<InputFile> opened) const {
  const std::lock_guard lock(mutex_);
  if (kept_.size() == kMaxOpenFiles || open_files_[file] != nullptr) return;
  open_files_[file] = opened.get();
  kept_.push_back(std::move(opened));
}

void EncodedFiles::Read(const SamplePlace& place, std::string* bytes) const {
  constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
  if (place.size > kMaxBytes) {
    Fail(ErrorCode::kDataLoss, "{}: {} bytes for one sample, at most {} are read", PathOf(place), place.size,
         kMaxBytes);
  }
  const InputFile* file = files_.empty() ? nullptr : open_files_.at(place.file).load();
  std::unique_ptr<InputFile> opened;
  if (file == nullptr) {
    opened = Open(place);
    file = opened.get();
  }
  bytes->resize(place.size);
  file->ReadAt(place.offset, bytes->data(), place.size);
  if (opened && !files_.empty()) Keep(place.file, std::move(opened));
}

}  // namespace decant
