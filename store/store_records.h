#pragma once

#include <optional>
#include <string>
#include <vector>

#include "decant/store/ledger.h"
#include "decant/store/schema.h"

#include "expiry.h"
#include "rocksdb_util.h"

namespace decant {

// Throws kNotFound: there is no store.
[[noreturn]] void RefuseNoStore(const std::string& path);

// The records of an open store, read and checked. Damage is kDataLoss.

// nullopt when the store has no schema yet: its creator died at once.
std::optional<Schema> ReadSchema(const Database& database, const std::string& path);
// The seal of a complete store: its digest, in a file beside the database, so that it outlives damage there. nullopt
// when the store is not sealed.
std::optional<std::string> ReadSeal(const std::string& path);
void WriteSeal(const std::string& path, const std::string& digest);
// Durable; no seal is fine.
void RemoveSeal(const std::string& path);
// By span index; nullopt for a span that is not committed. Spans of expired epochs have the entries that they had.
using Ledger = std::vector<std::optional<SpanTrailer>>;
// Entries of `known` are not read again: they stay until a repair.
Ledger ReadLedger(const Database& database, const Layout& layout, const ExpiredEpochs& expired, const std::string& path,
                  Ledger known = {});
// StoreDigest() of a ledger without gaps.
std::string DigestOfLedger(const Schema& schema, const Ledger& ledger);

}  // namespace decant
