#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

namespace decant {

// Which spans of a job are pending, held by workers, done. Workers are numbers from 0 on. A span is pending unless it
// is done or somebody holds it.
class SpanTable {
 public:
  static constexpr int kNobody = -1;
  static constexpr int kMaxHolders = 2;

  // Appends spans to the line; those that are known already are left out.
  void Add(const std::vector<uint64_t>& spans);

  // The first in line. Stays there until somebody holds it.
  std::optional<uint64_t> NextPending();
  // False, and nothing changes, when the span is unknown, done, held by the worker already or by kMaxHolders.
  bool Hold(uint64_t span, int worker);
  // The worker holds it no longer. Whether the span is pending now: the first in line, then.
  bool Release(uint64_t span, int worker);
  // Whether this is the first time.
  bool MarkDone(uint64_t span);
  // Notes that the worker failed on a span. Whether another had failed on it before.
  bool MarkFailed(uint64_t span, int worker);

  bool knows(uint64_t span) const { return states_.contains(span); }
  bool done(uint64_t span) const { return states_.at(span).done; }
  int num_holders(uint64_t span) const;

  uint64_t num_pending() const { return num_pending_; }
  uint64_t num_held() const { return num_held_; }
  uint64_t num_done() const { return num_done_; }
  uint64_t size() const { return states_.size(); }

 private:
  struct State {
    int holders[kMaxHolders] = {kNobody, kNobody};
    int failed_on = kNobody;
    bool done = false;
    bool held() const { return holders[0] != kNobody || holders[1] != kNobody; }
  };

  std::unordered_map<uint64_t, State> states_;
  std::deque<uint64_t> line_;  // every pending span, and some that are no longer
  uint64_t num_pending_ = 0;
  uint64_t num_held_ = 0;
  uint64_t num_done_ = 0;
};

}  // namespace decant
