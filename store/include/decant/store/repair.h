#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "decant/store/verify.h"

namespace decant {

struct RepairReport {
  std::vector<Damage> damages;        // what VerifyStore() found; none: nothing was done
  std::vector<uint64_t> dropped;      // spans that were committed and are to be labelled again, as far as known
  std::vector<uint64_t> recovered;    // spans whose sound files the database did not know, or no longer
  uint64_t num_spans = 0;             // that the schema asks for
  uint64_t num_committed = 0;         // after the repair
  std::optional<std::string> digest;  // of a store that is complete after the repair, and sealed
};

// Makes a damaged store sound again with all the spans that are: checks it as VerifyStore() does, on `num_threads`
// threads, builds a new database from the sound span files (linked, not rewritten) and puts it in the place of the old
// one. A sound store is left as it is. A store that loses spans loses its seal first; `decant produce` labels them
// again. Killed anywhere, a second run finishes the repair. Nobody may read the store meanwhile.
// kNotFound when there is no store, kUnavailable when it is being written. kDataLoss when its schema is lost, and when
// no part of it is damaged, but the seal names another content.
RepairReport RepairStore(const std::string& path, unsigned num_threads);

}  // namespace decant
