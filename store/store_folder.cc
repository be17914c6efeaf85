#include "store_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "span_files.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDatabase = "db";
constexpr std::string_view kUnfinished = ".new";

std::optional<uint64_t> ParseNumber(std::string_view name) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || name.size() < 6) return std::nullopt;
  return number;
}

// The names in a folder; none when there is no such folder.
std::vector<std::string> ListNames(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) FailErrno(error.value(), "list", folder);
  return names;
}

// 0 for "db", n for "db.<n>".
std::optional<uint64_t> GenerationOf(std::string_view name) {
  if (!name.starts_with(kDatabase)) return std::nullopt;
  name.remove_prefix(kDatabase.size());
  if (name.empty()) return 0;
  return name.front() == '.' ? ParseNumber(name.substr(1)) : std::nullopt;
}

std::string GenerationPath(const std::string& store_path, uint64_t generation) {
  const std::string path = fmt::format("{}/{}", store_path, kDatabase);
  return generation == 0 ? path : fmt::format("{}.{}", path, NumberName(generation));
}

// The database's list of files first, and then the files: one that was added meanwhile is too many, not missing.
void CopyDatabase(const std::string& from, const std::string& to) {
  std::vector<std::string> names = ListNames(from);
  std::erase_if(names, [](const std::string& name) {
    return name != "CURRENT" && name != "IDENTITY" && !name.starts_with("MANIFEST-") && !name.starts_with("OPTIONS-");
  });
  std::error_code error;
  for (const std::string& name : names) {
    if (!fs::copy_file(from + "/" + name, to + "/" + name, error)) FailErrno(error.value(), "copy", from + "/" + name);
    SyncFile(to + "/" + name);
  }
  for (const std::string& name : ListNames(from)) {
    if (name.ends_with(".sst")) LinkOrCopy(from + "/" + name, to + "/" + name);
  }
  SyncDirectory(to);
}

void RemoveFolder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) FailErrno(error.value(), "remove", path);
}

}  // namespace

std::string DatabasePath(const std::string& store_path) {
  return GenerationPath(store_path, CurrentGeneration(store_path));
}
std::string SealPath(const std::string& store_path) {
  return store_path + "/seal";
}
std::string LeasePath(const std::string& store_path) {
  return store_path + "/lease";
}
std::string StagingPath(const std::string& store_path) {
  return store_path + "/staging";
}
std::string StagingPath(const std::string& store_path, uint64_t lease) {
  return StagingPath(store_path) + "/" + NumberName(lease);
}
std::string NewestStagingPath(const std::string& store_path) {
  const std::vector<uint64_t> leases = ListNumbers(StagingPath(store_path));
  if (leases.empty()) Fail(ErrorCode::kNotFound, "{}: nobody is writing to this store", store_path);
  return StagingPath(store_path, leases.back());
}
std::string StagedTablesPath(const std::string& staging_path) {
  return staging_path + "/tables";
}
std::string RepairPath(const std::string& store_path) {
  return StagingPath(store_path) + "/repair";
}

std::string NumberName(uint64_t number) {
  return fmt::format("{:06}", number);
}

std::vector<uint64_t> ListNumbers(const std::string& folder) {
  std::vector<uint64_t> numbers;
  for (const std::string& name : ListNames(folder)) {
    if (const auto number = ParseNumber(name)) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

uint64_t CurrentGeneration(const std::string& store_path) {
  uint64_t newest = 0;
  std::error_code error;
  if (!fs::is_directory(store_path, error)) return 0;
  for (const std::string& name : ListNames(store_path)) newest = std::max(newest, GenerationOf(name).value_or(0));
  return newest;
}

void BeginGeneration(const std::string& store_path, uint64_t generation, const std::string& from) {
  const std::string to = GenerationPath(store_path, generation);
  const std::string unfinished = to + std::string(kUnfinished);
  RemoveFolder(unfinished);
  CreateDirectories(unfinished);
  std::error_code error;
  if (fs::exists(from + "/CURRENT", error)) CopyDatabase(from, unfinished);
  fs::rename(unfinished, to, error);
  if (error) FailErrno(error.value(), "rename", unfinished);
  SyncDirectory(store_path);
}

void RemoveOldGenerations(const std::string& store_path) {
  const uint64_t current = CurrentGeneration(store_path);
  for (const std::string& name : ListNames(store_path)) {
    const std::optional<uint64_t> generation = GenerationOf(name);
    const bool unfinished = name.starts_with(kDatabase) && name.ends_with(kUnfinished);
    if ((generation && *generation < current) || unfinished) RemoveFolder(store_path + "/" + name);
  }
}

bool HoldsForeignFiles(const std::string& path) {
  const std::vector<std::string> names = ListNames(path);
  return std::ranges::any_of(names, [](const std::string& name) {
    return name != "lease" && name != "staging" && name != "guests" && name != "status.json" && name != "run.jsonl" &&
           !name.starts_with(kDatabase);
  });
}

}  // namespace decant
