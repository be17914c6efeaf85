#include "staging.h"

#include <filesystem>
#include <optional>
#include <utility>

#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/span_claims.h"

#include "span_files.h"
#include "store_folder.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

// The finished span files in a folder, names by span.
std::multimap<uint64_t, std::string> ListFinished(const std::string& folder) {
  std::multimap<uint64_t, std::string> spans;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (const auto span = SpanOfName(name)) spans.emplace(*span, name);
  }
  return spans;
}

// nullopt when the file is not whole or not that span's.
std::optional<SpanFile> CheckFile(const Schema& schema, const std::string& file, uint64_t span) {
  try {
    SpanFile checked = {.path = file, .file_bytes = 0, .trailer = CheckSpanFile(schema, file)};
    checked.file_bytes = fs::file_size(file);
    if (checked.trailer.span == span) return checked;
  } catch (const Error&) {
  }
  return std::nullopt;
}

}  // namespace

Staging::Staging(std::string store_path, uint64_t lease)
    : store_path_(std::move(store_path)), lease_(lease), path_(StagingPath(store_path_, lease)) {}

Staging::~Staging() {
  std::error_code error;
  if (ListFinished(path_).empty()) {
    fs::remove_all(path_, error);
    return;
  }
  for (fs::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().extension() == kPartialSuffix) fs::remove(entry->path(), ignored);
  }
}

// Renaming the files makes them this writer's: another one that is about to use such a file does not find it any more.
void Staging::TakeOver() {
  CreateDirectories(path_);
  for (const uint64_t number : ListNumbers(StagingPath(store_path_))) {
    if (number >= lease_) continue;
    const std::string folder = StagingPath(store_path_, number);
    TakeFrom(folder);
    std::error_code error;
    fs::remove_all(folder, error);
  }
  TakeFromGuests();
}

void Staging::Remove() {
  std::error_code error;
  fs::remove_all(path_, error);
}

void Staging::TakeFromGuests() {
  TakeFrom(GuestsPath(store_path_));
}

void Staging::TakeFrom(const std::string& folder) {
  for (const auto& [span, name] : ListFinished(folder)) {
    const std::string taken = fmt::format("{}/{}", path_, name);
    if (::rename((folder + "/" + name).c_str(), taken.c_str()) == 0) taken_.emplace(span, taken);
  }
}

std::vector<uint64_t> Staging::TakenSpans() const {
  std::vector<uint64_t> spans;
  for (const auto& [span, file] : taken_) {
    if (spans.empty() || spans.back() != span) spans.push_back(span);
  }
  return spans;
}

std::vector<SpanFile> Staging::Check(const Schema& schema, const std::function<bool(uint64_t span)>& wanted) {
  std::vector<SpanFile> sound;
  for (const auto& [span, file] : std::exchange(taken_, {})) {
    const bool is_new = sound.empty() || sound.back().trailer.span != span;
    std::optional<SpanFile> checked;
    if (is_new && wanted(span)) checked = CheckFile(schema, file, span);
    if (checked) {
      sound.push_back(std::move(*checked));
    } else {
      ::unlink(file.c_str());
    }
  }
  return sound;
}

}  // namespace decant
