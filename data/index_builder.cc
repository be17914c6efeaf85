#include "index_builder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/data/decode_image.h"

#include "dataset_files.h"
#include "parallel.h"

namespace decant {
namespace {

constexpr size_t kMaxLeftOut = 10000;

std::vector<IndexedFile> StatFiles(const DatasetLocation& location) {
  std::vector<IndexedFile> files;
  for (const std::string& name : location.files) {
    if (Utf8Name(name) != name) {
      Fail(ErrorCode::kInvalidArgument, "{}: the file's name '{}' is not UTF-8; rename it", location.path,
           Utf8Name(name));
    }
    files.push_back({.name = name, .status = StatFile(std::filesystem::path(location.folder) / name)});
  }
  return files;
}

bool Fits(const SampleIndex& index, std::string_view kind, const std::vector<IndexedFile>& files,
          const IndexRequest& request) {
  const IndexMeta& meta = index.meta();
  return meta.kind == kind && meta.split == request.split && meta.decodable == request.decodable &&
         meta.files == files && (index.has_hashes() || !request.hashes);
}

DatasetListing List(const DatasetLocation& location, const std::vector<IndexedFile>& files, unsigned num_threads) {
  if (location.kind == DatasetKind::kFolder) return ListFolder(location.folder, num_threads);
  if (location.kind == DatasetKind::kList) return ListFile(location.path, location.folder, num_threads);
  return ListTars(location.folder, files, num_threads);
}

SamplePlace PlaceOf(const IndexColumns& columns, uint64_t id) {
  return {.name = columns.Name(id),
          .file = columns.files.empty() ? 0 : columns.files[id],
          .offset = columns.offsets.empty() ? 0 : columns.offsets[id],
          .size = columns.sizes[id]};
}

// Reads every sample once. Returns those that cannot be decoded, by id, with the reason.
std::map<uint64_t, std::string> ReadAll(const EncodedFiles& encoded, const IndexRequest& request,
                                        IndexColumns* columns) {
  std::map<uint64_t, std::string> left_out;
  std::mutex mutex;
  columns->hashes.resize(columns->num_samples());
  const auto read = [&](uint64_t id) {
    thread_local std::string bytes;
    thread_local Image image;
    const SamplePlace place = PlaceOf(*columns, id);
    try {
      encoded.Read(place, &bytes);
      columns->hashes[id] = Xxh3(bytes);
      if (request.decodable) DecodeImage(bytes, Utf8Name(place.name), DecodeOptions(), &image);
    } catch (const Error& error) {
      if (!request.decodable || !IsFaultOfSample(error.code())) throw;
      const std::lock_guard lock(mutex);
      left_out.emplace(id, Utf8Name(error.what()));
      if (left_out.size() > kMaxLeftOut) {
        Fail(ErrorCode::kDataLoss, "more than {} images cannot be decoded, the last one: {}", kMaxLeftOut,
             error.what());
      }
    }
  };
  ParallelFor(columns->num_samples(), request.num_threads, read, request.progress);
  return left_out;
}

template <typename T>
void RemoveFrom(std::vector<T>* column, const std::map<uint64_t, std::string>& left_out) {
  if (column->empty()) return;
  uint64_t kept = 0;
  auto next = left_out.begin();
  for (uint64_t id = 0; id < column->size(); ++id) {
    if (next != left_out.end() && next->first == id) {
      ++next;
    } else {
      (*column)[kept++] = (*column)[id];
    }
  }
  column->resize(kept);
}

IndexColumns Without(const std::map<uint64_t, std::string>& left_out, IndexColumns all) {
  if (left_out.empty()) return all;
  IndexColumns kept;
  for (uint64_t id = 0; id < all.num_samples(); ++id) {
    if (!left_out.contains(id)) kept.AddName(all.Name(id));
  }
  all.names = std::move(kept.names);
  all.name_ends = std::move(kept.name_ends);
  for (auto* column : {&all.sizes, &all.offsets, &all.hashes}) RemoveFrom(column, left_out);
  for (auto* column : {&all.files, &all.labels}) RemoveFrom(column, left_out);
  return all;
}

std::string NamesDigest(const IndexMeta& meta, const IndexColumns& columns) {
  Xxh3Stream digest;
  const auto add_text = [&](std::string_view text) {
    const uint64_t size = text.size();
    digest.Update(&size, sizeof size);
    digest.Update(text.data(), text.size());
  };
  add_text(meta.kind);
  if (meta.kind == "tar") {
    for (const IndexedFile& file : meta.files) add_text(file.name);
  }
  for (uint64_t id = 0; id < columns.num_samples(); ++id) {
    add_text(columns.Name(id));
    const uint64_t numbers[] = {columns.sizes[id], columns.labels.empty() ? 0 : columns.labels[id],
                                columns.files.empty() ? 0 : columns.files[id],
                                columns.offsets.empty() ? 0 : columns.offsets[id]};
    digest.Update(numbers, sizeof numbers);
  }
  return Hex(digest.Digest());
}

std::string ContentDigest(const IndexColumns& columns) {
  if (columns.hashes.empty()) return "";
  Xxh3Stream digest;
  digest.Update(columns.hashes.data(), columns.hashes.size() * sizeof(uint64_t));
  digest.Update(columns.labels.data(), columns.labels.size() * sizeof(uint32_t));
  return Hex(digest.Digest());
}

void Build(const DatasetLocation& location, const std::vector<IndexedFile>& files, const IndexRequest& request) {
  DatasetListing listing = List(location, files, request.num_threads);
  IndexMeta meta;
  meta.kind = DatasetKindName(location.kind);
  meta.split = request.split;
  meta.decodable = request.decodable;
  meta.files = files;
  meta.num_classes = listing.num_classes;
  for (const std::string& name : listing.class_names) meta.class_names.push_back(Utf8Name(name));
  IndexColumns columns = std::move(listing.columns);
  if (request.decodable || request.hashes) {
    const auto left_out = ReadAll(*OpenEncodedFiles(location, files), request, &columns);
    for (const auto& [id, reason] : left_out) {
      const std::string file = columns.files.empty() ? "" : files[columns.files[id]].name + "/";
      meta.left_out.push_back({.name = file + Utf8Name(columns.Name(id)), .reason = reason});
    }
    columns = Without(left_out, std::move(columns));
    if (columns.num_samples() == 0) {
      Fail(ErrorCode::kDataLoss, "{}: none of {} images can be decoded, the first one: {}", location.path,
           meta.left_out.size(), meta.left_out.front().reason);
    }
  }
  meta.names_digest = NamesDigest(meta, columns);
  meta.content_digest = ContentDigest(columns);
  WriteSampleIndex(location.index, meta, columns);
}

}  // namespace

std::string_view DatasetKindName(DatasetKind kind) {
  switch (kind) {
    case DatasetKind::kNpz:
    case DatasetKind::kNpy:
      return "arrays";
    case DatasetKind::kFolder:
      return "folder";
    case DatasetKind::kList:
      return "list";
    case DatasetKind::kTar:
      return "tar";
    case DatasetKind::kTokens:
      return "tokens";
    case DatasetKind::kDocuments:
      return "documents";
  }
  Fail(ErrorCode::kInternal, "a dataset of kind {}", static_cast<int>(kind));
}

bool IsFaultOfSample(ErrorCode code) {
  return code == ErrorCode::kDataLoss || code == ErrorCode::kNotFound || code == ErrorCode::kInvalidArgument;
}

std::unique_ptr<EncodedFiles> OpenEncodedFiles(const DatasetLocation& location, const std::vector<IndexedFile>& files) {
  if (location.kind == DatasetKind::kTar) return std::make_unique<EncodedFiles>(location.folder, files);
  return std::make_unique<EncodedFiles>(location.folder);
}

std::unique_ptr<SampleIndex> OpenOrBuildIndex(const DatasetLocation& location, const IndexRequest& request) {
  std::error_code ignored;
  const bool exists = std::filesystem::exists(location.index, ignored);
  if (exists && request.trust) return std::make_unique<SampleIndex>(location.index);
  const std::vector<IndexedFile> files = StatFiles(location);
  if (exists) {
    auto index = std::make_unique<SampleIndex>(location.index);
    if (Fits(*index, DatasetKindName(location.kind), files, request)) return index;
  }
  Build(location, files, request);
  return std::make_unique<SampleIndex>(location.index);
}

}  // namespace decant
