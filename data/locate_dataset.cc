#include "locate_dataset.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "dataset_files.h"
#include "index_builder.h"
#include "npy_file.h"
#include "sample_index.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

bool IsDirectory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// Compressed ones too, for an error that says what to do with them.
bool IsTarName(std::string_view name) {
  const size_t dot = name.rfind('.');
  const std::string_view end = name.substr(std::min(dot, name.size()));
  return end == ".tar" || end == ".tgz" || name.substr(0, dot).ends_with(".tar");
}

std::vector<std::string> TarsIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename();
    if (IsTarName(name) && !name.starts_with('.')) names.push_back(name);
  }
  if (error) FailErrno(error.value(), "list", folder);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> LinesOfFile(const std::string& path) {
  const std::string text = ReadFile(path);
  std::vector<std::string> names;
  for (const std::string_view line : LinesOf(text)) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) continue;
    names.emplace_back(line.substr(begin, line.find_last_not_of(" \t") + 1 - begin));
  }
  return names;
}

// The first line that is not blank, of a file of whatever size.
std::string FirstLine(const std::string& path) {
  const InputFile file(path);
  std::string start(std::min<uint64_t>(file.size(), 4096), '\0');
  file.ReadAt(0, start.data(), start.size());
  for (const std::string_view line : LinesOf(start)) {
    if (line.find_first_not_of(" \t") != std::string_view::npos) return std::string(line);
  }
  return "";
}

std::string ListedDirectory(const std::string& path) {
  std::error_code ignored;
  size_t num_directories = 0;
  size_t num_files = 0;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    ++(entry.is_directory(ignored) ? num_directories : num_files);
  }
  return fmt::format("{} directories and {} files", num_directories, num_files);
}

DatasetKind KindOfDirectory(const std::string& path) {
  const bool has_tars = !TarsIn(path).empty();
  std::error_code ignored;
  bool has_directories = false;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    has_directories =
        has_directories || (entry.is_directory(ignored) && !entry.path().filename().native().starts_with('.'));
  }
  if (has_tars != has_directories) return has_tars ? DatasetKind::kTar : DatasetKind::kFolder;
  Fail(ErrorCode::kInvalidArgument,
       "{}: a directory with {}{}; set data.kind: \"folder\" takes each of its directories for a class, \"tar\" its "
       ".tar "
       "files for shards",
       path, ListedDirectory(path), has_tars ? ", .tar files among them" : "");
}

DatasetKind KindOfFile(const std::string& path, const SourceOptions& options) {
  if (path.ends_with(".npz")) return DatasetKind::kNpz;
  if (IsTarName(path)) return DatasetKind::kTar;
  const bool npy = path.ends_with(".npy");
  if (path.ends_with(".bin") || (npy && NpyFile(path).shape().size() == 1)) {
    return options.documents.empty() ? DatasetKind::kTokens : DatasetKind::kDocuments;
  }
  if (npy) return DatasetKind::kNpy;
  const std::string line = FirstLine(path);
  if (IsTarName(line)) return DatasetKind::kTar;
  if (IsImageName(line) || IsImageName(line.substr(0, line.find_last_of(" \t")))) return DatasetKind::kList;
  Fail(ErrorCode::kInvalidArgument,
       "{}: neither .npz, .npy, .tar or .bin by name, nor a list of images or .tar files: it begins with '{}'; set "
       "data.kind",
       path, Utf8Name(line.substr(0, 40)));
}

DatasetKind KindOf(const std::string& path, const SourceOptions& options) {
  const bool directory = IsDirectory(path);
  if (options.kind == "auto") return directory ? KindOfDirectory(path) : KindOfFile(path, options);
  if (options.kind == "arrays") return path.ends_with(".npy") ? DatasetKind::kNpy : DatasetKind::kNpz;
  if (options.kind == "folder") return directory ? DatasetKind::kFolder : DatasetKind::kList;
  if (options.kind == "tar") return DatasetKind::kTar;
  if (options.kind == "tokens") return DatasetKind::kTokens;
  if (options.kind == "documents") return DatasetKind::kDocuments;
  Fail(ErrorCode::kInvalidArgument,
       "data.kind '{}' is not known; use 'auto', 'arrays', 'folder', 'tar', 'tokens' or 'documents'", options.kind);
}

// The split's own directory or file of tokens, where there is one.
std::string PathOfSplit(const SourceOptions& options) {
  std::string path = fs::path(options.path).lexically_normal();
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (options.split.empty() || !IsDirectory(path)) return path;
  for (const std::string_view extension : {"", ".bin", ".npy"}) {
    const std::string of_split = fmt::format("{}/{}{}", path, options.split, extension);
    std::error_code ignored;
    if (extension.empty() ? IsDirectory(of_split) : fs::is_regular_file(of_split, ignored)) return of_split;
  }
  return path;
}

// What an index says of its directory, so that of a thousand ranks one alone lists it.
DatasetKind KindInIndex(const std::string& path) {
  const std::string kind = SampleIndex(path).meta().kind;
  for (const DatasetKind known : {DatasetKind::kFolder, DatasetKind::kTar}) {
    if (kind == DatasetKindName(known)) return known;
  }
  Fail(ErrorCode::kMismatch, "{}: an index of kind '{}', expected one of a directory; remove it", path, kind);
}

}  // namespace

DatasetLocation LocateDataset(const SourceOptions& options) {
  if (options.path.empty()) Fail(ErrorCode::kInvalidArgument, "data.path is not set");
  DatasetLocation location;
  location.path = PathOfSplit(options);
  std::error_code missing;
  if (!fs::exists(location.path, missing)) FailErrno(missing ? missing.value() : ENOENT, "read", location.path);
  location.index = options.index.empty() ? location.path + ".index" : options.index;
  const bool directory = IsDirectory(location.path);
  location.folder = directory ? location.path : fs::path(location.path).parent_path().native();
  if (options.trust_index && directory && fs::exists(location.index, missing)) {
    location.kind = KindInIndex(location.index);
    return location;
  }
  location.kind = KindOf(location.path, options);
  if (location.kind == DatasetKind::kList) location.files = {fs::path(location.path).filename()};
  if (location.kind == DatasetKind::kTar) {
    if (directory) {
      location.files = TarsIn(location.path);
    } else if (IsTarName(location.path)) {
      location.files = {fs::path(location.path).filename()};
    } else {
      location.files = LinesOfFile(location.path);
    }
    if (location.files.empty()) {
      Fail(ErrorCode::kInvalidArgument, "{}: no .tar files {} it; {}", location.path, directory ? "in" : "named in",
           directory ? "it holds " + ListedDirectory(location.path) : "name one a line");
    }
  } else if (directory && location.kind != DatasetKind::kFolder) {
    Fail(ErrorCode::kInvalidArgument, "{}: a directory with {}; data.kind '{}' needs a file", location.path,
         ListedDirectory(location.path), options.kind);
  }
  return location;
}

}  // namespace decant
