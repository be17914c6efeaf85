#pragma once

#include <string>
#include <vector>

#include "decant/data/open_source.h"

namespace decant {

enum class DatasetKind {
  kNpz,
  kNpy,
  kFolder,
  kList,
  kTar,
  kTokens,
  kDocuments,
};

// Where the options lead: what is there, not opened yet.
struct DatasetLocation {
  DatasetKind kind = DatasetKind::kFolder;
  std::string path;                // of the split's file or directory
  std::string folder;              // that names of samples or shards start from
  std::vector<std::string> files;  // kTar: names of the shards; kList: of the list; none where the index is trusted
  std::string index;               // where the index is or will be
};

// kNotFound, kInvalidArgument: says what is there when it is nothing that is known.
DatasetLocation LocateDataset(const SourceOptions& options);

}  // namespace decant
