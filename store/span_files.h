#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "decant/store/ledger.h"
#include "decant/store/schema.h"

#include "rocksdb_util.h"

namespace decant {

// The span files of a store, as files.

// "span-000012-<attempt>.sst"; while it is being written, with this suffix.
std::string SpanFileName(uint64_t span, const std::string& attempt);
// The span that a finished file is of, by its name; nullopt for other names.
std::optional<uint64_t> SpanOfName(std::string_view name);
inline constexpr char kPartialSuffix[] = ".partial";

// The database's file of each span, by Span::index, as its list of files has them: the files are not opened.
struct LiveSpanFile {
  std::string path;
  uint64_t file_bytes = 0;
};
std::map<uint64_t, LiveSpanFile> LiveSpanFiles(const Database& database, const Layout& layout);

// What lies in a store's folders. Read before the database is opened, so that a commit meanwhile is not mistaken.
struct FolderContent {
  std::vector<std::string> files;   // SSTs in the database's folder, but for empty ones
  std::set<uint64_t> staged_spans;  // whose finished files wait to be committed; an unfinished commit has left both
};
FolderContent ListFiles(const std::string& path);
// Those of `files` that an open database does not know.
std::vector<std::string> UnknownFiles(const std::vector<std::string>& files, const Database& database);

// Whether a file holds records of `meta`: the rest of an unfinished write, when the database does not know it.
bool IsMetaFile(const std::string& file);
// Reads a span file without its database, to the last label. Returns its trailer; kDataLoss when anything in it is
// damaged or missing.
SpanTrailer CheckSpanFile(const Schema& schema, const std::string& file);
// The value of `key` in `file`; false when it is not there. kDataLoss when the file cannot be read.
bool GetFromFile(const std::string& file, std::string_view key, std::string* value);

// Makes `to` another name of the file `from`, or a durable copy where file systems cannot do that.
void LinkOrCopy(const std::string& from, const std::string& to);

}  // namespace decant
