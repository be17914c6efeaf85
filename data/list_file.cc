#include <charconv>
#include <filesystem>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "dataset_files.h"
#include "parallel.h"

namespace decant {
namespace {

struct ListedImage {
  std::string_view name;
  int64_t label = -1;  // -1: none
};

constexpr int64_t kMaxClass = (int64_t{1} << 31) - 1;

// A line "path", "path<tab>class" or "path class". What follows a tab must be a class; what follows a space may be part
// of the path.
ListedImage ParseLine(std::string_view line, const std::string& where) {
  const size_t tab = line.rfind('\t');
  const size_t end = tab != std::string_view::npos ? tab : line.rfind(' ');
  if (end == std::string_view::npos) return {.name = line};
  const std::string_view text = line.substr(end + 1);
  int64_t label = -1;
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error == std::errc() && next == text.data() + text.size() && label >= 0 && label <= kMaxClass && end > 0) {
    return {.name = line.substr(0, line.find_last_not_of(" \t", end) + 1), .label = label};
  }
  if (tab == std::string_view::npos && IsImageName(line)) return {.name = line};
  Fail(ErrorCode::kInvalidArgument, "{}: expected a path, a tab and a class number, found '{}'", where, Utf8Name(line));
}

}  // namespace

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

DatasetListing ListFile(const std::string& path, const std::string& folder, unsigned num_threads) {
  const std::string text = ReadFile(path);
  DatasetListing listing;
  uint64_t line_number = 0;
  uint64_t num_labelled = 0;
  for (const std::string_view line : LinesOf(text)) {
    const std::string where = fmt::format("{}:{}", path, ++line_number);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    const ListedImage image = ParseLine(line, where);
    num_labelled += image.label >= 0;
    listing.columns.AddName(image.name);
    if (num_labelled != 0 && num_labelled != listing.columns.name_ends.size()) {
      Fail(ErrorCode::kInvalidArgument, "{}: {} class here, unlike the lines before; give one on all lines or on none",
           where, image.label >= 0 ? "a" : "no");
    }
    if (image.label >= 0) {
      listing.columns.labels.push_back(static_cast<uint32_t>(image.label));
      listing.num_classes = std::max(listing.num_classes, static_cast<uint32_t>(image.label + 1));
    }
  }
  const uint64_t num_samples = listing.columns.name_ends.size();
  if (num_samples == 0) Fail(ErrorCode::kInvalidArgument, "{}: names no images", path);
  listing.columns.sizes.resize(num_samples);
  ParallelFor(num_samples, num_threads, [&](uint64_t id) {
    std::error_code missing;  // which reading tells
    const uint64_t size = std::filesystem::file_size(std::filesystem::path(folder) / listing.columns.Name(id), missing);
    listing.columns.sizes[id] = missing ? 0 : size;
  });
  return listing;
}

}  // namespace decant
