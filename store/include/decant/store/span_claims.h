#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace decant {

// Where labellers without a coordinator finish span files, which the store's next writer commits: StoreWriter::Adopt().
std::string GuestsPath(const std::string& store_path);
// Spans whose finished files wait to be committed, theirs and other writers'.
std::set<uint64_t> FinishedSpans(const std::string& store_path);

// Who labels which spans, where nobody deals them: a file for every group of spans that somebody has begun
// (producer/span_groups.h), which says who, and a file for every claimant, its heartbeat. Claims spare work and nothing
// else: a span that two label is committed once, and where no claim can be written everybody has it. Thread-safe.
class SpanClaims {
 public:
  // A claimant that gives sign of life until its end. Others break its claims when it has died on their machine, at
  // once, or was silent for `seconds`.
  SpanClaims(const std::string& store_path, double seconds);
  // The same in the name of a job of many ranks, whose coordinator has just become the store's writer: what other jobs
  // have claimed is void.
  struct Job {};
  SpanClaims(const std::string& store_path, double seconds, Job job);
  // Claims in the name of another one, which gives the signs of life: for the ranks of a job.
  SpanClaims(const std::string& store_path, const std::string& name);
  // Gives up what was claimed under a name of its own.
  ~SpanClaims();
  SpanClaims(const SpanClaims&) = delete;
  SpanClaims& operator=(const SpanClaims&) = delete;

  // A word that no other claimant has.
  const std::string& name() const { return name_; }

  // True when the group is this claimant's, now or since before; breaks the claim of a dead one.
  bool Claim(uint64_t group);
  void Release(uint64_t group);
  // Groups that others have, and live. Removes what dead ones left, unfinished span files also.
  std::vector<uint64_t> ClaimedByOthers();
  // Whether a job with a coordinator of its own labels spans of this store: others had better begin at the other end.
  bool HasJob();

 private:
  struct Sign {
    std::string text;
    std::chrono::steady_clock::time_point since;
  };

  SpanClaims(const std::string& store_path, double seconds, std::string name, bool is_own);
  std::string ClaimPath(uint64_t group) const;
  bool TryCreate(const std::string& path) const;
  bool Break(const std::string& path, const std::string& owner);
  bool IsAlive(const std::string& owner);
  void RemoveDeadClaimants(const std::vector<std::string>& names);
  void WriteSign();
  void Beat();

  const std::string folder_;
  const double seconds_;
  const std::string name_;
  const bool is_own_;
  uint64_t beat_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Sign> signs_;  // of life, by claimant, as seen last
  bool ended_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace decant
