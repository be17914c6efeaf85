#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "decant/data/check_source.h"
#include "decant/data/source.h"

namespace decant {

// Where a dataset is and how it is read. In `path`, `labels`, `documents` and `index`, "{split}" stands for the split.
struct SourceOptions {
  std::string path;
  // "arrays" (.npz, .npy), "folder" (a directory of classes, or a list file), "tar" (WebDataset shards: a .tar, a
  // directory or a list of them), "tokens" (.bin, .npy), "documents" (.bin or .npy, and `documents`), or "auto".
  std::string kind = "auto";
  std::string split = "train";
  std::string labels;        // "arrays": a .npy file of true classes, beside the .npy of images
  std::string documents;     // "documents": the file of token offsets, u64
  std::string index;         // the index's file; empty: beside the data (docs/data.md)
  bool trust_index = false;  // take the index that is there: another process has just compared it with the data
  std::string fingerprint = "names";  // "names", or "content": everything is read once
  std::string undecodable = "error";  // "error", or "skip": every image is decoded once, and left out if it cannot be
  uint32_t channels = 3;              // of encoded images: 1 or 3
  uint32_t min_side = 0;              // of encoded images: DecodeOptions::min_side
  std::string dtype = "uint16";       // of the tokens of a .bin file: "uint16" or "uint32"
  uint32_t window = 0;                // tokens of a sample, the most of a document's; 0: whole documents
  unsigned threads = 0;               // for building an index and for "content"; 0: as many as the machine has
  ProgressFunction progress = {};     // of reading everything once
};

// Opens a dataset, building its index first where it needs one and has none that fits. kNotFound, kUnavailable,
// kDataLoss, kInvalidArgument: one line that names the file and the key.
std::unique_ptr<Source> OpenSource(const SourceOptions& options);
// The same, for datasets of this kind alone: kInvalidArgument for the other one.
std::unique_ptr<ImageSource> OpenImageSource(const SourceOptions& options);
std::unique_ptr<TokenSource> OpenTokenSource(const SourceOptions& options);

}  // namespace decant
