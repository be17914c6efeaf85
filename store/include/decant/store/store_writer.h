#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "decant/store/schema.h"
#include "decant/store/span_writer.h"

namespace decant {

// The one writer of a store: creates it, commits spans, seals it. Not thread-safe. A second writer of the same store is
// refused with kUnavailable.
class StoreWriter {
 public:
  // Creates the store at `path`, or opens it to go on. An existing store whose schema differs is kMismatch with every
  // field that differs (expected: the store's, found: `schema`'s). Removes what dead writers left in the staging
  // folder. Codec tables that `schema` lacks are the existing store's; those of a new store come from `calibrate`, or
  // are the default ones.
  using Calibrator = std::function<CodecTables()>;
  StoreWriter(const std::string& path, const Schema& schema, const Calibrator& calibrate = {});
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // Complete, with codec tables.
  const Schema& schema() const;
  // Spans without a ledger entry, ascending.
  std::vector<uint64_t> MissingSpans() const;
  uint64_t num_committed() const;

  // Commits finished spans: all of them or none. A span that is committed already is dropped, not an error.
  void Commit(const std::vector<SpanFile>& files);

  // When no span is missing: records the store's digest. Returns it.
  std::string Seal();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Of the RocksDB library in use: "7.8.3".
std::string RocksDbVersion();

}  // namespace decant
