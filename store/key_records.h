#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rocksdb_util.h"

namespace decant {

// The key in `meta` of a record of sample keys.
std::string SampleKeysKey(uint64_t part);
// All such records of an open store; none when its samples have no keys.
std::vector<std::string> ReadKeyRecords(const Database& database, const std::string& path);

}  // namespace decant
