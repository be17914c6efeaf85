#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "decant/producer/span_groups.h"
#include "decant/store/span_claims.h"
#include "decant/store/store_writer.h"

#include "run_report.h"

namespace decant {

struct ProductionOptions {
  std::optional<Partition> partition;
  double lease_seconds = 30;
  std::string metrics;  // a file of Prometheus' text format, or empty
  int num_ranks = 1;
  bool check_space = true;
  bool any_processor = false;  // labels may come from processors that give other logits
};

// Rank 0's side of a labelling run: the store's writer, and what is told of it. Begin(), Settle(), Commit() and
// Complete() are called by one thread, the rest by any.
class Production {
 public:
  Production(std::string store_path, const ProductionOptions& options);

  // Opens the store to write `schema`'s labels and returns the groups of spans to do. `bytes_per_sample` is asked when
  // the store holds no label that would tell; 0 is "nobody knows". kExhausted when the disk has no room for what is to
  // come.
  std::vector<uint64_t> Begin(const Schema& schema, const SpanGroups& groups, const StoreWriter::Calibrator& calibrate,
                              const std::function<double()>& bytes_per_sample);
  // Takes over what dead runs left finished; returns the groups of the spans that turned out not to be.
  std::vector<uint64_t> Settle();
  void Commit(const std::vector<SpanFile>& files);
  // Waits for the spans that guests (span_claims.h) have begun, and seals the store if nothing is missing then.
  // kCancelled when guests have left theirs, or `stop_requested` says so.
  void Complete(const std::function<bool()>& stop_requested);
  // After Begin().
  const std::string& staging_path() const { return store_->staging_path(); }
  uint64_t span_bytes() const;  // about that many
  // In whose name the ranks claim spans; empty where nobody else labels this store.
  std::string claimant() const { return claims_ ? claims_->name() : std::string(); }

  void Tick(const JobStatus& status);
  // Says how the run ended: to the run's log, and on stdout or, when it did not complete, on stderr.
  void ReportComplete(bool json);
  void ReportStopped(const std::string& text);
  void ReportFailed(int exit_code, const std::string& text);

 private:
  bool IsMine(uint64_t group) const;
  void OpenStore(const Schema& schema, const StoreWriter::Calibrator& calibrate);
  std::vector<uint64_t> Adopt();
  std::vector<uint64_t> MyGroups(const std::vector<uint64_t>& spans) const;
  StoreCounts Count() const;
  void RequireProbe(const Schema& schema) const;
  double BytesPerSample(const std::function<double()>& guess) const;
  void RequireSpace() const;
  double Seconds() const;

  const std::string store_path_;
  const ProductionOptions options_;
  Layout layout_;
  std::optional<SpanGroups> groups_;
  std::optional<StoreWriter> store_;
  std::optional<SpanClaims> claims_;  // of all ranks; none of a part
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double bytes_per_sample_ = 0;
  uint64_t labels_added_ = 0;  // by this run, of all the samples' tokens or images
  uint64_t labels_adopted_ = 0;
  std::vector<uint64_t> staged_;  // held back until Settle()
  std::string digest_;
  mutable std::mutex mutex_;  // of report_, which Begin() makes
  std::unique_ptr<RunReport> report_;
};

// "I/N": kInvalidArgument unless I is below N.
Partition ParsePartition(const std::string& text);
// Where the store of a part is: <store>.parts/<I>-of-<N>.
std::string PartPath(const std::string& store_path, const Partition& partition);

}  // namespace decant
