#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "decant/store/schema.h"
#include "decant/store/span_writer.h"

namespace decant {

struct WriterOptions {
  // How long this writer may show no sign of life before another one takes the store over, 0.5 to 86400.
  double lease_seconds = 30;
};

// The one writer of a store: creates it, commits spans, seals it. Not thread-safe.
//
// A second writer is refused with kUnavailable, naming the process and host of the first. When the first is dead, on
// the same machine, the second takes over at once; when it is silent, after the first one's lease_seconds. A writer
// that wakes up after that finds the store taken, kUnavailable; whatever it was about to do, it does where nobody
// looks.
class StoreWriter {
 public:
  // Creates the store at `path`, or opens it to go on. An existing store whose schema differs is kMismatch with every
  // field that differs (expected: the store's, found: `schema`'s). Takes the finished span files of dead writers to its
  // own staging folder, for Adopt(), removes what else they left, and finishes an expiry that was interrupted.
  // kDataLoss, before anything is changed, for a sealed store that is damaged and for one whose database has lost sight
  // of a span file. Codec tables that `schema` lacks are the existing store's; those of a new store come from
  // `calibrate`, or are the default ones.
  using Calibrator = std::function<CodecTables()>;
  StoreWriter(const std::string& path, const Schema& schema, const Calibrator& calibrate = {},
              const WriterOptions& options = {});
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // Complete, with codec tables; the provenance is that of the run that began the store.
  const Schema& schema() const;
  // Spans without a ledger entry, ascending. Those of expired epochs have theirs.
  std::vector<uint64_t> MissingSpans() const;
  bool IsMissing(uint64_t span) const;
  uint64_t num_committed() const;
  // Of the committed spans' files.
  uint64_t committed_bytes() const;

  // Where the span files of this writer are made.
  const std::string& staging_path() const;
  // "process 123 on n1": the writer that was dead or silent, and whose store this writer took over; else empty.
  const std::string& taken_from() const;

  // Commits finished spans: all of them or none. A span that is committed already is dropped, not an error; returns
  // those of them whose content differs from what is committed.
  std::vector<uint64_t> Commit(const std::vector<SpanFile>& files);

  // Missing spans of which a dead writer or a guest left a finished file, as of the opening. Its name says so; Adopt()
  // looks into it.
  std::vector<uint64_t> StagedSpans() const;
  // Reads those files, and what guests (span_claims.h) have finished since, to the last label and commits the sound
  // ones. Returns their spans.
  std::vector<uint64_t> Adopt();

  // When no span is missing: records the store's digest and makes the database's files read-only. Returns the digest.
  std::string Seal();

  // Deletes the labels of the epochs [epoch_begin, epoch_end), whole files; their ledger entries stay, so that digest,
  // seal and MissingSpans() do. Epochs that have expired already are fine. Durable step by step: killed anywhere, the
  // next writer finishes it. Refused with kNotFound for an epoch that is not complete, with kUnavailable, naming the
  // reader, for one that a reader still needs (decant/store/acknowledgement.h).
  void Expire(uint32_t epoch_begin, uint32_t epoch_end);
  // Expires every complete epoch that no reader needs any more, of those that acknowledge; none when no reader does.
  // Returns the number of epochs that expired in this call.
  uint32_t ExpireAcknowledged();
  // Records an epoch that was never here as expired: `trailers` are the ledger entries of its spans, ascending.
  void AddExpired(uint32_t epoch, const std::vector<SpanTrailer>& trailers);

  // Keeps what the samples are called where they come from, records of EncodeSampleKeys(). Before the first Commit().
  void PutSampleKeys(const std::vector<std::string>& records);

  // Gives the store more epochs: a schema with `num_epochs`, else equal. Takes the seal away first. As
  // many as it has is fine; kInvalidArgument for fewer.
  void Extend(uint32_t num_epochs);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Of the RocksDB library in use: "7.8.3".
std::string RocksDbVersion();

}  // namespace decant
