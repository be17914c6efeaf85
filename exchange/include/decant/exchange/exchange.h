#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "decant/store/store_reader.h"

namespace decant {

// What an import did. A store that was there already, of the same import, is continued.
struct ImportReport {
  uint64_t num_samples = 0;
  uint32_t num_epochs = 0;
  uint64_t num_labels = 0;
  std::string digest;  // of the complete store
};

struct TinyVitImport {
  std::vector<std::string> sources;  // folders `logits_top<K>_epoch<E>`, or folders that hold such
  uint32_t num_classes = 0;          // 0: 1 + the largest class of any record
};
// Makes an exact store of TinyViT's records: all of their bytes can be had back. Samples are numbered by their keys in
// the order of bytes; epochs follow each other as those of the folders do. kInvalidArgument, naming folder, file or
// key, for what is not TinyViT's; kMismatch for epochs that do not hold the same keys, or one key with two records.
ImportReport ImportTinyVit(const std::string& out, const TinyVitImport& options);

struct TinyVitExport {
  uint32_t epoch_begin = 0;
  uint32_t epoch_end = 0;
  bool lossy = false;  // also labels that are not float16 probabilities: rounds them, with the seed 0
};
// Writes a folder `logits_top<K>_epoch<E>` for each epoch into the folder `out`, with one pair of files, records in the
// order of the sample ids. A folder appears once it is complete; one that is there is kInvalidArgument. So are stores
// whose labels TinyViT cannot have. Returns the number of records.
uint64_t ExportTinyVit(const StoreReader& store, const std::string& out, const TinyVitExport& options);

struct NpzImport {
  std::vector<std::string> sources;  // files, one an epoch, or folders of `*.npz` in the order of their names
  uint32_t num_classes = 0;          // 0: what the first file says, or 1 + the largest class
  double delta = 0.03125;            // step of the codes, nats
};
// Makes a store with bounded error of arrays as ExportNpz() writes them. Row i of each is sample i. Holds one epoch in
// memory. kInvalidArgument or kDataLoss, naming file and array, for arrays that are no labels.
ImportReport ImportNpz(const std::string& out, const NpzImport& options);

// Writes `epoch-<epoch, 6 digits>.npz` for each epoch into the folder `out`, with arrays as docs/cli.md lists them, in
// the order of the sample ids. Returns the number of labels.
uint64_t ExportNpz(const StoreReader& store, const std::string& out, uint32_t epoch_begin, uint32_t epoch_end);

}  // namespace decant
