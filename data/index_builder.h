#pragma once

#include "decant/base/error.h"
#include "decant/data/open_source.h"

#include "encoded_files.h"
#include "locate_dataset.h"
#include "sample_index.h"

namespace decant {

// What is read of samples beyond their names when an index is built.
struct IndexRequest {
  std::string split;
  bool decodable = false;  // leave out what cannot be decoded
  bool hashes = false;
  bool trust = false;  // the index that is there fits
  unsigned num_threads = 0;
  ProgressFunction progress = {};
};

// The index of a dataset of encoded images: the one that is there if it fits, otherwise a new one, which is written to
// location.index first. kDataLoss for a damaged one; kInvalidArgument when no sample, or too few of them, can be
// decoded.
std::unique_ptr<SampleIndex> OpenOrBuildIndex(const DatasetLocation& location, const IndexRequest& request);

// "folder", "list" or "tar"; "arrays", "tokens" or "documents".
std::string_view DatasetKindName(DatasetKind kind);

// The files that hold a dataset's samples.
std::unique_ptr<EncodedFiles> OpenEncodedFiles(const DatasetLocation& location, const std::vector<IndexedFile>& files);

// Whether a failure to read a sample is the sample's own, and not the machine's or the user's: no permission, an I/O
// error, no memory.
bool IsFaultOfSample(ErrorCode code);

}  // namespace decant
