#include "sample_index.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/base/hash.h"

#include "index_meta.h"

namespace decant {
namespace {

std::string_view Map(const std::string& path) {
  const uint64_t size = StatFile(path).size;
  if (size == 0) return {};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) FailErrno(errno, "read", path);
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  ::close(fd);
  if (bytes == MAP_FAILED) FailErrno(error, "map", path);
  return {static_cast<const char*>(bytes), size};
}

// Takes `count` elements off the front of `bytes`.
template <typename T>
const T* TakeColumn(std::string_view* bytes, uint64_t count) {
  const auto* column = reinterpret_cast<const T*>(bytes->data());
  bytes->remove_prefix(count * sizeof(T));
  return column;
}

}  // namespace

void IndexColumns::AddName(std::string_view name) {
  names.append(name);
  name_ends.push_back(names.size());
}

std::string_view IndexColumns::Name(uint64_t sample_id) const {
  const uint64_t begin = sample_id == 0 ? 0 : name_ends[sample_id - 1];
  return std::string_view(names).substr(begin, name_ends[sample_id] - begin);
}

SampleIndex::SampleIndex(const std::string& path) : path_(path), bytes_(Map(path)) {
  try {
    ReadHeader();
    if (columns_.size() <= kMaxCheckedBytes) Check();
  } catch (...) {
    if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
    throw;
  }
}

SampleIndex::~SampleIndex() {
  ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

void SampleIndex::FailDamaged(std::string_view how) const {
  Fail(ErrorCode::kDataLoss, "{}: damaged index: {}; delete it to have it built again", path_, how);
}

void SampleIndex::ReadHeader() {
  if (bytes_.size() < kIndexHeaderBytes) {
    FailDamaged(fmt::format("{} bytes, the header alone has {}", bytes_.size(), kIndexHeaderBytes));
  }
  ByteReader header(bytes_.substr(0, kIndexHeaderBytes), path_);
  if (header.GetBytes(kIndexMagic.size()) != kIndexMagic) {
    Fail(ErrorCode::kDataLoss, "{}: not an index of a dataset; set data.index to another file", path_);
  }
  const auto version = header.Get<uint16_t>();
  if (version != kIndexVersion) {
    Fail(ErrorCode::kMismatch, "{}: an index of version {}, expected {}; delete it to have it built again", path_,
         version, kIndexVersion);
  }
  const auto flags = header.Get<uint16_t>();
  if (flags > (kIndexHasFiles | kIndexHasHashes | kIndexHasLabels)) FailDamaged(fmt::format("flags {:#x}", flags));
  const auto file_size = header.Get<uint64_t>();
  num_samples_ = header.Get<uint64_t>();
  const auto meta_size = header.Get<uint64_t>();
  const auto names_size = header.Get<uint64_t>();
  checksum_ = header.GetBytes(sizeof(Digest128));
  if (file_size != bytes_.size()) {
    FailDamaged(fmt::format("expected {} bytes, found {}", file_size, bytes_.size()));
  }
  const uint64_t sample_bytes =
      2 * sizeof(uint64_t) + (flags & kIndexHasFiles ? sizeof(uint64_t) + sizeof(uint32_t) : 0) +
      (flags & kIndexHasHashes ? sizeof(uint64_t) : 0) + (flags & kIndexHasLabels ? sizeof(uint32_t) : 0);
  uint64_t left = file_size - kIndexHeaderBytes;
  const bool has_meta = meta_size <= left && meta_size % sizeof(uint64_t) == 0;
  left -= has_meta ? meta_size : 0;
  if (!has_meta || num_samples_ > left / sample_bytes || left - num_samples_ * sample_bytes != names_size) {
    FailDamaged("its header's sizes do not make up the file");
  }
  std::string checked(bytes_.substr(0, kIndexChecksumOffset));
  const std::string_view meta = bytes_.substr(kIndexHeaderBytes, meta_size);
  checked += meta;
  if (Xxh3(checked) != header.Get<uint64_t>()) FailDamaged("the checksum of its header does not fit");
  ParseMeta(meta);

  columns_ = bytes_.substr(kIndexHeaderBytes + meta_size);
  std::string_view rest = columns_;
  sizes_ = TakeColumn<uint64_t>(&rest, num_samples_);
  name_ends_ = TakeColumn<uint64_t>(&rest, num_samples_);
  if (flags & kIndexHasFiles) offsets_ = TakeColumn<uint64_t>(&rest, num_samples_);
  if (flags & kIndexHasHashes) hashes_ = TakeColumn<uint64_t>(&rest, num_samples_);
  if (flags & kIndexHasFiles) files_ = TakeColumn<uint32_t>(&rest, num_samples_);
  if (flags & kIndexHasLabels) labels_ = TakeColumn<uint32_t>(&rest, num_samples_);
  names_ = rest;
}

void SampleIndex::ParseMeta(std::string_view text) {
  try {
    meta_ = MetaFromJson(nlohmann::json::parse(text));
  } catch (const nlohmann::json::exception& error) {
    FailDamaged(error.what());
  }
}

void SampleIndex::Check() const {
  Xxh3Stream checksum;
  checksum.Update(columns_.data(), columns_.size());
  const Digest128 digest = checksum.Digest();
  if (checksum_ != std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size())) {
    FailDamaged("the checksum of its columns does not fit");
  }
}

void SampleIndex::CheckId(uint64_t sample_id) const {
  if (sample_id >= num_samples_) {
    Fail(ErrorCode::kInvalidArgument, "sample {} is not below the number of samples, {}", sample_id, num_samples_);
  }
}

std::string_view SampleIndex::Name(uint64_t sample_id) const {
  CheckId(sample_id);
  const uint64_t begin = sample_id == 0 ? 0 : name_ends_[sample_id - 1];
  const uint64_t end = name_ends_[sample_id];
  if (begin > end || end > names_.size()) FailDamaged(fmt::format("the name of sample {} is out of bounds", sample_id));
  return names_.substr(begin, end - begin);
}

uint64_t SampleIndex::Size(uint64_t sample_id) const {
  CheckId(sample_id);
  return sizes_[sample_id];
}

uint64_t SampleIndex::Offset(uint64_t sample_id) const {
  CheckId(sample_id);
  return offsets_ == nullptr ? 0 : offsets_[sample_id];
}

uint64_t SampleIndex::Hash(uint64_t sample_id) const {
  CheckId(sample_id);
  if (hashes_ == nullptr) Fail(ErrorCode::kInternal, "{}: no content hashes", path_);
  return hashes_[sample_id];
}

uint32_t SampleIndex::File(uint64_t sample_id) const {
  CheckId(sample_id);
  const uint32_t file = files_ == nullptr ? 0 : files_[sample_id];
  if (files_ != nullptr && file >= meta_.files.size()) {
    FailDamaged(fmt::format("the file of sample {} is out of bounds", sample_id));
  }
  return file;
}

uint32_t SampleIndex::Label(uint64_t sample_id) const {
  CheckId(sample_id);
  const uint32_t label = labels_ == nullptr ? 0 : labels_[sample_id];
  if (labels_ != nullptr && label >= meta_.num_classes) {
    FailDamaged(fmt::format("the class of sample {} is out of bounds", sample_id));
  }
  return label;
}

}  // namespace decant
