#include "span_files.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <set>

#include <rocksdb/metadata.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table_properties.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "span_check.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

std::set<uint64_t> StagedSpans(const std::string& path) {
  std::set<uint64_t> spans;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(StagingPath(path), error), end; !error && entry != end;
       entry.increment(error)) {
    if (const auto span = SpanOfName(entry->path().filename().string())) spans.insert(*span);
  }
  return spans;
}

void OpenFile(rocksdb::SstFileReader* reader, const std::string& file) {
  const rocksdb::Status status = reader->Open(file);
  if (!status.ok()) Fail(ErrorCode::kDataLoss, "the file will not open: {}", status.ToString());
}

std::unique_ptr<rocksdb::Iterator> Iterate(rocksdb::SstFileReader* reader) {
  return std::unique_ptr<rocksdb::Iterator>(reader->NewIterator({}));
}

bool Find(rocksdb::Iterator* iterator, std::string_view key, std::string* value) {
  iterator->Seek(rocksdb::Slice(key.data(), key.size()));
  if (!iterator->status().ok()) Fail(ErrorCode::kDataLoss, "{}", iterator->status().ToString());
  if (!iterator->Valid() || iterator->key().ToStringView() != key) return false;
  *value = iterator->value().ToString();
  return true;
}

}  // namespace

std::string SpanFileName(uint64_t span, const std::string& attempt) {
  return fmt::format("span-{:06}-{}.sst", span, attempt);
}

std::optional<uint64_t> SpanOfName(std::string_view name) {
  constexpr std::string_view kPrefix = "span-";
  uint64_t span = 0;
  if (!name.starts_with(kPrefix) || !name.ends_with(".sst")) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), span);
  if (error != std::errc() || *end != '-') return std::nullopt;
  return span;
}

std::map<uint64_t, LiveSpanFile> LiveSpanFiles(const Database& database, const Layout& layout) {
  std::vector<rocksdb::LiveFileMetaData> files;
  database.db->GetLiveFilesMetaData(&files);
  std::map<uint64_t, LiveSpanFile> spans;
  for (const auto& file : files) {
    uint32_t epoch = 0;
    uint64_t chunk = 0;
    if (file.column_family_name != kLabelsFamily || !ParseLabelKey(file.largestkey, &epoch, &chunk)) continue;
    if (epoch >= layout.num_epochs || chunk >= layout.chunks_per_epoch()) continue;
    spans[layout.SpanOf(epoch, chunk).index] = {.path = file.directory + "/" + file.relative_filename,
                                                .file_bytes = file.size};
  }
  return spans;
}

FolderContent ListFiles(const std::string& path) {
  FolderContent content;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(DatabasePath(path), error)) {
    std::error_code gone;
    if (entry.path().extension() != ".sst" || entry.file_size(gone) == 0 || gone) continue;
    content.files.push_back(entry.path());
  }
  std::ranges::sort(content.files);
  content.staged_spans = StagedSpans(path);  // after the database's folder: a commit links there first
  return content;
}

std::vector<std::string> UnknownFiles(const std::vector<std::string>& files, const Database& database) {
  std::vector<rocksdb::LiveFileMetaData> live;
  database.db->GetLiveFilesMetaData(&live);
  std::set<std::string> known;
  for (const auto& file : live) known.insert(fs::path(file.relative_filename).filename());
  std::vector<std::string> unknown;
  for (const std::string& file : files) {
    if (!known.contains(fs::path(file).filename())) unknown.push_back(file);
  }
  return unknown;
}

bool IsMetaFile(const std::string& file) {
  rocksdb::SstFileReader reader(StoreOptions());
  return reader.Open(file).ok() && reader.GetTableProperties()->column_family_name == kMetaFamily;
}

SpanTrailer CheckSpanFile(const Schema& schema, const std::string& file) {
  rocksdb::SstFileReader reader(StoreOptions());
  OpenFile(&reader, file);
  const auto iterator = Iterate(&reader);
  iterator->SeekToLast();
  uint32_t epoch = 0;
  uint64_t chunk = 0;
  if (!iterator->Valid() || !ParseLabelKey(iterator->key().ToStringView(), &epoch, &chunk) ||
      epoch >= schema.layout.num_epochs || chunk >= schema.layout.chunks_per_epoch()) {
    Fail(ErrorCode::kDataLoss, "the file's last key is not that of a span of this store");
  }
  const Span span = schema.layout.SpanOf(epoch, chunk);
  std::string record;
  if (!Find(iterator.get(), TrailerKey(span), &record)) {
    Fail(ErrorCode::kDataLoss, "the file has no trailer of span {}", span.index);
  }
  const SpanTrailer trailer = DecodeTrailer(span, record);
  const ChunkCodec codec = MakeCodec(schema);
  CheckSpanContent(schema.layout, codec, trailer,
                   [&](const std::string& key, std::string* value) { return Find(iterator.get(), key, value); });
  return trailer;
}

bool GetFromFile(const std::string& file, std::string_view key, std::string* value) {
  rocksdb::SstFileReader reader(StoreOptions());
  OpenFile(&reader, file);
  return Find(Iterate(&reader).get(), key, value);
}

void LinkOrCopy(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return;
  if (errno == EEXIST || errno == ENOENT || errno == ENOSPC) FailErrno(errno, "link", from);
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error) FailErrno(error.value(), "copy to", to);
  SyncFile(to);
}

}  // namespace decant
