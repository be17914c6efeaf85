#include <algorithm>
#include <charconv>
#include <filesystem>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "dataset_files.h"
#include "parallel.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

struct NamedFile {
  std::string name;  // relative to the dataset's folder
  uint64_t size = 0;
};

bool IsHidden(const fs::path& path) {
  return path.filename().native().starts_with('.');
}

// The names of the sub-directories, sorted.
std::vector<std::string> ClassNames(const std::string& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  std::vector<std::string> names;
  size_t num_images = 0;
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (IsHidden(entries->path())) continue;
    std::error_code ignored;
    if (entries->is_directory(ignored)) names.push_back(entries->path().filename());
    num_images += IsImageName(entries->path().native());
  }
  if (error) FailErrno(error.value(), "list", folder);
  if (names.empty()) {
    Fail(ErrorCode::kInvalidArgument,
         "{}: no directories in it, of which each would be a class; it holds {} images. Name the images of one "
         "directory in a list file: a path a line, and after a tab its class if it has one",
         folder, num_images);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<NamedFile> ImagesBelow(const fs::path& folder, const std::string& class_name) {
  std::vector<NamedFile> images;
  std::error_code error;
  fs::recursive_directory_iterator entries(folder / class_name, fs::directory_options::follow_directory_symlink, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    const fs::path& path = entries->path();
    if (IsHidden(path)) {
      entries.disable_recursion_pending();
    } else if (IsImageName(path.native())) {
      std::error_code ignored;
      const fs::file_type type = entries->status(ignored).type();
      // What a link of no target is, reading tells.
      if (type == fs::file_type::regular) {
        images.push_back({.name = path.lexically_relative(folder), .size = entries->file_size(ignored)});
      } else if (type == fs::file_type::not_found) {
        images.push_back({.name = path.lexically_relative(folder), .size = 0});
      }
    }
  }
  if (error) FailErrno(error.value(), "list", (folder / class_name).native());
  std::sort(images.begin(), images.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return images;
}

}  // namespace

bool IsImageName(std::string_view name) {
  for (const std::string_view extension : {".jpg", ".jpeg", ".png"}) {
    if (name.size() < extension.size()) continue;
    const std::string_view end = name.substr(name.size() - extension.size());
    if (std::equal(end.begin(), end.end(), extension.begin(),
                   [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; })) {
      return true;
    }
  }
  return false;
}

DatasetListing ListFolder(const std::string& folder, unsigned num_threads) {
  DatasetListing listing;
  listing.class_names = ClassNames(folder);
  listing.num_classes = static_cast<uint32_t>(listing.class_names.size());
  std::vector<std::vector<NamedFile>> classes(listing.num_classes);
  ParallelFor(listing.num_classes, num_threads,
              [&](uint64_t index) { classes[index] = ImagesBelow(folder, listing.class_names[index]); });
  for (uint32_t label = 0; label < listing.num_classes; ++label) {
    for (const NamedFile& image : classes[label]) {
      listing.columns.AddName(image.name);
      listing.columns.sizes.push_back(image.size);
      listing.columns.labels.push_back(label);
    }
    classes[label] = {};
  }
  if (listing.columns.num_samples() == 0) {
    Fail(ErrorCode::kInvalidArgument, "{}: no .jpg, .jpeg or .png file in its {} directories", folder,
         listing.num_classes);
  }
  return listing;
}

}  // namespace decant
