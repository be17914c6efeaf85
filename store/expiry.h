#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "decant/store/ledger.h"

#include "rocksdb_util.h"

namespace decant {

// An epoch whose labels were deleted leaves a record in `meta`: the ledger entries of its spans, ascending.

std::string ExpiryKey(uint32_t epoch);
std::string EncodeExpiry(uint32_t epoch, const std::vector<SpanTrailer>& trailers);
// kDataLoss for damage, and when the record is not that of `epoch`.
std::vector<SpanTrailer> DecodeExpiry(const Layout& layout, uint32_t epoch, std::string_view record);

// nullopt when the epoch has not expired.
std::optional<std::vector<SpanTrailer>> ReadExpiry(const Database& database, const Layout& layout, uint32_t epoch,
                                                   const std::string& path);
// All of them, by epoch.
using ExpiredEpochs = std::map<uint32_t, std::vector<SpanTrailer>>;
ExpiredEpochs ReadExpiredEpochs(const Database& database, const Layout& layout, const std::string& path);

}  // namespace decant
