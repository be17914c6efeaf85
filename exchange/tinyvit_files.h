#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decant/store/sample_keys.h"

namespace decant {

// A folder `logits_top<K>_epoch<E>`.
struct TinyVitFolder {
  std::string path;
  uint32_t k = 0;
  uint32_t epoch = 0;
};
std::string TinyVitFolderName(uint32_t k, uint32_t epoch);
// The folders that are, or lie in, `sources`, by ascending epoch. kNotFound when there is none; kInvalidArgument unless
// they have one K, and epochs without gaps that come once.
std::vector<TinyVitFolder> FindTinyVitFolders(const std::vector<std::string>& sources);

// One epoch's records, from the pairs of files rank<r>-keys.txt and rank<r>-values.bin of all ranks. Opening it reads
// the keys.
class TinyVitEpoch {
 public:
  // kDataLoss for keys and records that are not as many; kNotFound for a file without its partner.
  explicit TinyVitEpoch(const TinyVitFolder& folder);
  ~TinyVitEpoch();
  TinyVitEpoch(const TinyVitEpoch&) = delete;
  TinyVitEpoch& operator=(const TinyVitEpoch&) = delete;

  // All keys, each once, in the order of their bytes.
  SampleKeys SortedKeys() const;
  // Finds the record of each sample. kMismatch, naming the key, for one that is missing, one that `keys` do not have
  // and one with two records that differ.
  void Locate(const SampleKeys& keys);
  // The record of a sample, after Locate().
  void Read(uint64_t sample_id, std::string* record) const;
  // CheckTinyVitRecord() of all records: the largest class. kInvalidArgument, naming file and key.
  uint32_t CheckRecords() const;

 private:
  struct Rank;
  struct Place {
    uint32_t rank = ~uint32_t{0};
    uint32_t row = 0;
  };
  void ReadAt(const Place& place, std::string* record) const;

  TinyVitFolder folder_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::vector<Place> places_;  // [num_samples]
};

}  // namespace decant
