#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sample_index.h"

namespace decant {

// The samples of a dataset before its index is written. Content is not read.
struct DatasetListing {
  IndexColumns columns;
  uint32_t num_classes = 0;
  std::vector<std::string> class_names;
};

// Whether a name ends in .jpg, .jpeg or .png, in whatever case.
bool IsImageName(std::string_view name);

// The lines of a text, without their ends ("\n" or "\r\n").
std::vector<std::string_view> LinesOf(std::string_view text);

// The images below the sub-directories of `folder`, which are the classes: class ids in the order of their names,
// samples in the order of their paths. Follows links; names that begin with a dot, and files that are no images by
// name, are left alone. kInvalidArgument when there are none.
DatasetListing ListFolder(const std::string& folder, unsigned num_threads);

// The images that a list file names, in its order: a path for each line, relative to `folder`, and after a tab or space
// its class, on all lines or on none. kInvalidArgument.
DatasetListing ListFile(const std::string& path, const std::string& folder, unsigned num_threads);

// The images of WebDataset's tar shards, in their order. `files` lie in `folder`. kDataLoss, kInvalidArgument.
DatasetListing ListTars(const std::string& folder, const std::vector<IndexedFile>& files, unsigned num_threads);

}  // namespace decant
