#include "assemble.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "rocksdb_util.h"
#include "span_files.h"

namespace decant {

void CommitLinked(const std::vector<SpanSource>& sources, StoreWriter* writer) {
  constexpr size_t kBatch = 256;
  const std::vector<uint64_t> missing = writer->MissingSpans();
  const std::set<uint64_t> wanted(missing.begin(), missing.end());
  std::vector<SpanFile> batch;
  const auto commit = [&] {
    if (batch.empty()) return;
    SyncDirectory(writer->staging_path());
    writer->Commit(batch);
    batch.clear();
  };
  for (const SpanSource& source : sources) {
    if (!wanted.contains(source.trailer.span)) continue;
    const std::string linked =
        fmt::format("{}/{}", writer->staging_path(), SpanFileName(source.trailer.span, "linked"));
    ::unlink(linked.c_str());  // of one that was killed
    LinkOrCopy(source.file, linked);
    batch.push_back({.path = linked, .file_bytes = std::filesystem::file_size(linked), .trailer = source.trailer});
    if (batch.size() == kBatch) commit();
  }
  commit();
}

}  // namespace decant
