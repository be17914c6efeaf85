#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

#include "sample_index.h"

namespace decant {

// Bits of the header's flags: which columns there are.
enum IndexFlags : uint16_t {
  kIndexHasFiles = 1,  // columns of offsets and of files
  kIndexHasHashes = 2,
  kIndexHasLabels = 4,
};

inline constexpr std::string_view kIndexMagic = "DIDX";
inline constexpr uint16_t kIndexVersion = 1;
inline constexpr size_t kIndexHeaderBytes = 64;
inline constexpr size_t kIndexChecksumOffset = kIndexHeaderBytes - sizeof(uint64_t);

nlohmann::json MetaToJson(const IndexMeta& meta);
// Throws nlohmann::json::exception for anything else than what MetaToJson() gives.
IndexMeta MetaFromJson(const nlohmann::json& json);

}  // namespace decant
