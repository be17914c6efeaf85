#pragma once

#include <optional>
#include <string>
#include <vector>

#include "decant/store/ledger.h"
#include "decant/store/schema.h"
#include "rocksdb_util.h"

namespace decant {

// The records of an open store, read and checked. Damage is kDataLoss.

// nullopt when the store has no schema yet: its creator died at once.
std::optional<Schema> ReadSchema(const Database& database, const std::string& path);
// The digest recorded when the store was sealed; nullopt when it is not.
std::optional<std::string> ReadSeal(const Database& database, const std::string& path);
// By span index; nullopt for a span that is not committed.
using Ledger = std::vector<std::optional<SpanTrailer>>;
Ledger ReadLedger(const Database& database, const Layout& layout, const std::string& path);
// StoreDigest() of a ledger without gaps.
std::string DigestOfLedger(const Schema& schema, const Ledger& ledger);

}  // namespace decant
