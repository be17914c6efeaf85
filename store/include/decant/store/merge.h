#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace decant {

struct MergeReport {
  uint64_t num_spans = 0;             // that the schema asks for
  uint64_t num_committed = 0;         // in the new store
  uint64_t num_linked = 0;            // of these, in this run
  std::optional<std::string> digest;  // when it is complete, and sealed
};

// Puts the spans of several stores of one schema into the store at `out`, which is created or, after an interrupted
// merge, continued. Span files are linked, or copied from another file system, never rewritten; the sources stay as
// they are. A span that several stores have is taken once when its content digests agree. An epoch that has expired in
// one of them is expired in `out`, unless the others have all of its labels. Seals `out` when it is complete.
// kMismatch when schemas differ, naming each field, and when a span differs, naming it and the stores.
MergeReport MergeStores(const std::string& out, const std::vector<std::string>& sources);

// Makes a store of the epochs [epoch_begin, epoch_end) of another: what producing `epoch_end` epochs gives, with those
// before `epoch_begin` expired. Epochs keep their numbers, so students see the views that the teacher saw. Files are
// linked as in a merge. kNotFound when an epoch below `epoch_end` is not complete, or one of those asked for has
// expired.
MergeReport ExtractStore(const std::string& out, const std::string& source, uint32_t epoch_begin, uint32_t epoch_end);

}  // namespace decant
