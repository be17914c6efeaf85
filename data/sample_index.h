#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "input_file.h"

namespace decant {

// A file that the samples of a dataset lie in, or that lists them.
struct IndexedFile {
  std::string name;
  FileStatus status;
  bool operator==(const IndexedFile&) const = default;
};

struct LeftOutSample {
  std::string name;
  std::string reason;
};

// What an index records besides its columns.
struct IndexMeta {
  std::string kind;  // "folder", "list", "tar"; "arrays", "tokens", "documents" for an index of no samples
  std::string split;
  bool decodable = false;  // every sample was decoded once; those that could not be are left out
  uint32_t num_classes = 0;
  std::vector<IndexedFile> files;
  std::vector<std::string> class_names;  // of "folder"
  std::vector<LeftOutSample> left_out;
  std::string names_digest;    // hexadecimal
  std::string content_digest;  // hexadecimal; empty when the content was not read
};

// What an index records of each sample. A vector is empty where the dataset has none of it.
struct IndexColumns {
  std::vector<uint64_t> sizes;      // encoded bytes
  std::vector<uint64_t> name_ends;  // end of the sample's name in `names`
  std::vector<uint64_t> offsets;    // of the bytes in the sample's file, "tar" alone
  std::vector<uint64_t> hashes;     // XXH3-64 of the encoded bytes
  std::vector<uint32_t> files;      // index of the sample's file, "tar" alone
  std::vector<uint32_t> labels;     // true classes
  std::string names;                // one after the other

  uint64_t num_samples() const { return sizes.size(); }
  void AddName(std::string_view name);
  std::string_view Name(uint64_t sample_id) const;
};

// Writes an index (docs/data.md) and gives it its name once it is durable. kUnavailable, kExhausted, kNotFound: says to
// set data.index.
void WriteSampleIndex(const std::string& path, const IndexMeta& meta, const IndexColumns& columns);

// An index, memory-mapped: no sample costs memory of the process. Opening checks length, magic number, version and
// flags, then the checksum of header and meta, and of the columns where they are at most kMaxCheckedBytes; Check()
// checks them anyway. An access checks its own bounds. Thread-safe.
class SampleIndex {
 public:
  static constexpr uint64_t kMaxCheckedBytes = 128 << 20;

  // kNotFound, kUnavailable; kDataLoss for damage and for files that are no index; kMismatch for another version.
  explicit SampleIndex(const std::string& path);
  ~SampleIndex();
  SampleIndex(const SampleIndex&) = delete;
  SampleIndex& operator=(const SampleIndex&) = delete;

  const std::string& path() const { return path_; }
  const IndexMeta& meta() const { return meta_; }
  uint64_t num_samples() const { return num_samples_; }
  bool has_labels() const { return labels_ != nullptr; }
  bool has_hashes() const { return hashes_ != nullptr; }

  // kInvalidArgument for a sample_id that is not below num_samples(); kDataLoss for damage.
  std::string_view Name(uint64_t sample_id) const;
  uint64_t Size(uint64_t sample_id) const;
  uint64_t Offset(uint64_t sample_id) const;
  uint64_t Hash(uint64_t sample_id) const;
  uint32_t File(uint64_t sample_id) const;
  uint32_t Label(uint64_t sample_id) const;
  // kDataLoss when the columns are not what was written.
  void Check() const;

 private:
  [[noreturn]] void FailDamaged(std::string_view how) const;
  void CheckId(uint64_t sample_id) const;
  void ReadHeader();
  void ParseMeta(std::string_view text);

  std::string path_;
  std::string_view bytes_;    // the mapped file
  std::string_view columns_;  // of it
  std::string_view checksum_;
  IndexMeta meta_;
  uint64_t num_samples_ = 0;
  const uint64_t* sizes_ = nullptr;
  const uint64_t* name_ends_ = nullptr;
  const uint64_t* offsets_ = nullptr;
  const uint64_t* hashes_ = nullptr;
  const uint32_t* files_ = nullptr;
  const uint32_t* labels_ = nullptr;
  std::string_view names_;
};

// `name` where it is UTF-8; otherwise with each byte above 127 as %XX: what JSON can hold.
std::string Utf8Name(std::string_view name);

}  // namespace decant
