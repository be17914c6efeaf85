#include "tinyvit_files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "tinyvit_record.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

std::optional<TinyVitFolder> ParseFolder(const fs::path& path) {
  TinyVitFolder folder = {.path = path};
  const std::string name = path.filename().empty() ? path.parent_path().filename() : path.filename();
  if (std::sscanf(name.c_str(), "logits_top%u_epoch%u", &folder.k, &folder.epoch) != 2) return std::nullopt;
  if (name != TinyVitFolderName(folder.k, folder.epoch) || folder.k < 1 || folder.k > kMaxTinyVitClasses) {
    return std::nullopt;
  }
  return folder;
}

}  // namespace

std::string TinyVitFolderName(uint32_t k, uint32_t epoch) {
  return fmt::format("logits_top{}_epoch{}", k, epoch);
}

std::vector<TinyVitFolder> FindTinyVitFolders(const std::vector<std::string>& sources) {
  std::vector<TinyVitFolder> folders;
  for (const std::string& source : sources) {
    if (!fs::is_directory(source)) Fail(ErrorCode::kNotFound, "there is no folder {}", source);
    const size_t before = folders.size();
    if (const auto folder = ParseFolder(source)) {
      folders.push_back(*folder);
    } else {
      for (const auto& entry : fs::directory_iterator(source)) {
        if (const auto inner = ParseFolder(entry.path())) folders.push_back(*inner);
      }
    }
    if (folders.size() == before) {
      Fail(ErrorCode::kNotFound, "{} is not, and holds no folder logits_top<K>_epoch<E>", source);
    }
  }
  std::sort(folders.begin(), folders.end(), [](const auto& a, const auto& b) { return a.epoch < b.epoch; });
  for (size_t i = 1; i < folders.size(); ++i) {
    if (folders[i].k != folders[0].k) {
      Fail(ErrorCode::kInvalidArgument, "{} and {} have different K", folders[0].path, folders[i].path);
    }
    if (folders[i].epoch != folders[i - 1].epoch + 1) {
      Fail(ErrorCode::kInvalidArgument, "epoch {} ({}) comes after epoch {} ({}); expected every epoch once",
           folders[i].epoch, folders[i].path, folders[i - 1].epoch, folders[i - 1].path);
    }
  }
  return folders;
}

struct TinyVitEpoch::Rank {
  Rank(const std::string& stem, uint32_t k)
      : keys_path(stem + "-keys.txt"), values_path(stem + "-values.bin"), text(ReadFile(keys_path)) {
    std::string_view left = text;
    while (!left.empty()) {
      const size_t end = std::min(left.find('\n'), left.size());
      keys.push_back(left.substr(0, end));
      if (end == 0) Fail(ErrorCode::kInvalidArgument, "{}, line {}: empty", keys_path, keys.size());
      left.remove_prefix(std::min(end + 1, left.size()));
    }
    fd = ::open(values_path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0) FailErrno(errno, "read", values_path);
    const uint64_t expected = keys.size() * TinyVitRecordBytes(k);
    if (static_cast<uint64_t>(status.st_size) != expected) {
      ::close(fd);
      Fail(ErrorCode::kDataLoss, "{}: expected {} bytes, {} for each key of {}, found {}", values_path, expected,
           TinyVitRecordBytes(k), keys_path, status.st_size);
    }
  }
  ~Rank() { ::close(fd); }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  const std::string keys_path;
  const std::string values_path;
  const std::string text;
  std::vector<std::string_view> keys;
  int fd = -1;
};

TinyVitEpoch::TinyVitEpoch(const TinyVitFolder& folder) : folder_(folder) {
  std::vector<std::string> stems;
  for (const auto& entry : fs::directory_iterator(folder.path)) {
    const std::string path = entry.path();
    for (const std::string_view suffix : {"-keys.txt", "-values.bin"}) {
      if (path.ends_with(suffix)) stems.push_back(path.substr(0, path.size() - suffix.size()));
    }
  }
  std::sort(stems.begin(), stems.end());
  stems.erase(std::unique(stems.begin(), stems.end()), stems.end());
  if (stems.empty()) Fail(ErrorCode::kNotFound, "{} holds no files rank<r>-keys.txt", folder.path);
  for (const std::string& stem : stems) ranks_.push_back(std::make_unique<Rank>(stem, folder.k));
}

TinyVitEpoch::~TinyVitEpoch() = default;

SampleKeys TinyVitEpoch::SortedKeys() const {
  std::vector<std::string_view> all;
  for (const auto& rank : ranks_) all.insert(all.end(), rank->keys.begin(), rank->keys.end());
  std::sort(all.begin(), all.end());
  SampleKeys keys;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == 0 || all[i] != all[i - 1]) keys.Append(all[i]);
  }
  return keys;
}

void TinyVitEpoch::Locate(const SampleKeys& keys) {
  places_.assign(keys.size(), {});
  std::string record, other;
  for (uint32_t r = 0; r < ranks_.size(); ++r) {
    const Rank& rank = *ranks_[r];
    for (uint32_t row = 0; row < rank.keys.size(); ++row) {
      size_t begin = 0;
      for (size_t end = keys.size(); begin < end;) {
        const size_t middle = (begin + end) / 2;
        if (keys[middle] < rank.keys[row]) {
          begin = middle + 1;
        } else {
          end = middle;
        }
      }
      if (begin == keys.size() || keys[begin] != rank.keys[row]) {
        Fail(ErrorCode::kMismatch, "key '{}' is in {}, but not in the first epoch", rank.keys[row], rank.keys_path);
      }
      Place& place = places_[begin];
      if (place.rank != ~uint32_t{0}) {
        ReadAt(place, &record);
        ReadAt({r, row}, &other);
        if (record != other) {
          Fail(ErrorCode::kMismatch, "key '{}' has different records in {} and {}", rank.keys[row],
               ranks_[place.rank]->values_path, rank.values_path);
        }
        continue;
      }
      place = {r, row};
    }
  }
  for (size_t id = 0; id < places_.size(); ++id) {
    if (places_[id].rank == ~uint32_t{0}) {
      Fail(ErrorCode::kMismatch, "{} has no record of key '{}'", folder_.path, keys[id]);
    }
  }
}

void TinyVitEpoch::ReadAt(const Place& place, std::string* record) const {
  const Rank& rank = *ranks_[place.rank];
  record->resize(TinyVitRecordBytes(folder_.k));
  const auto offset = static_cast<off_t>(uint64_t{place.row} * record->size());
  const ssize_t size = ::pread(rank.fd, record->data(), record->size(), offset);
  if (size < 0) FailErrno(errno, "read", rank.values_path);
  if (static_cast<size_t>(size) != record->size()) {
    Fail(ErrorCode::kDataLoss, "{}: expected {} bytes at {}, found {}", rank.values_path, record->size(), offset, size);
  }
}

void TinyVitEpoch::Read(uint64_t sample_id, std::string* record) const {
  ReadAt(places_.at(sample_id), record);
}

uint32_t TinyVitEpoch::CheckRecords() const {
  uint32_t largest = 0;
  std::string record;
  for (uint32_t r = 0; r < ranks_.size(); ++r) {
    for (uint32_t row = 0; row < ranks_[r]->keys.size(); ++row) {
      ReadAt({r, row}, &record);
      try {
        largest = std::max(largest, CheckTinyVitRecord(record));
      } catch (const Error& error) {
        Fail(error.code(), "{}, key '{}': {}", ranks_[r]->values_path, ranks_[r]->keys[row], error.what());
      }
    }
  }
  return largest;
}

}  // namespace decant
