#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "decant/base/error.h"
#include "decant/cluster/communicator.h"

namespace decant {

// How a job is asked to end early, in the order of their urgency.
enum class StopRequest : uint8_t {
  kNone,
  kFinish,   // finish and commit the spans under way
  kAbandon,  // drop them, and commit what is whole
};

struct JobOptions {
  // A rank, rank 0 included, of which nothing is heard for so long is given up. Ranks speak at least every tenth of it
  // and once a second.
  double silence_seconds = 30;
  // The same for the first word of a rank, unless silence_seconds is more.
  double start_seconds = 120;
  // Everything must be committed by then (rank 0's clock). No span is dealt that is not expected to end
  // `deadline_margin_seconds` before; what is under way at that moment is abandoned.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  double deadline_margin_seconds = 5;
};

// What a rank brings to a job. `work` is needed, the rest may be empty. open, set_up, begin and work run on one thread
// of their own, in this order.
struct WorkerHooks {
  // Rank 0's returns before any other rank's is called. May take long.
  std::function<void()> open;
  // Returns what must be equal on all ranks; throws why this rank cannot work.
  std::function<std::string()> set_up;
  // Called once before the first work(), with what the coordinator's begin() said.
  std::function<void(const std::string& brief)> begin;
  // Does the work of a span and returns its result, bytes for CoordinatorHooks::commit.
  std::function<std::string(uint64_t span)> work;
  // Called on the message thread, after begin() and before work() of that span: which span work() will be called for
  // after those that were told before. Must not block.
  std::function<void(uint64_t span)> prepare;
  // Called on the message thread: opaque text, of which the newest is in RankStatus. Must not block.
  std::function<std::string()> statistics;
  // Called on the message thread, at most once, while work() runs: makes it throw soon. No work() is called afterwards.
  std::function<void()> abandon;
  // Called on the message thread, many times a second: a request on any rank stops the whole job, and one that becomes
  // more urgent is told again.
  std::function<StopRequest()> stop_requested;
  // The host's name, for messages and RankStatus.
  std::string host;
};

struct JobPlan {
  std::string brief;            // for every rank's begin()
  std::vector<uint64_t> spans;  // to do, each once, dealt in this order
};

struct RankStatus {
  enum State : uint8_t {
    kStarting,  // opens and sets up, or was not heard of yet
    kReady,     // waits for the others
    kWorking,
    kIdle,
    kLost,     // was not heard of for too long; may come back
    kRetired,  // cannot work; the others go on without it
    kGone,     // has ended in an orderly way
  };
  int rank = 0;
  std::string host;
  State state = kStarting;
  uint64_t spans_done = 0;
  double busy_seconds = 0;    // in work(), of spans that were finished
  double span_seconds = 0;    // expected of one span; 0: unknown
  double silent_seconds = 0;  // since it was last heard of
  std::string statistics;
  std::string reason;  // of kLost and kRetired
};

// Something worth a line in a log.
struct JobEvent {
  std::string kind;   // rank_lost, rank_back, rank_retired, span_dealt_again, span_doubled, stopping
  int rank = -1;      // -1: none
  int64_t span = -1;  // -1: none
  std::string text;
};

struct JobStatus {
  uint64_t spans_done = 0;       // results are here
  uint64_t spans_committed = 0;  // of these
  uint64_t spans_assigned = 0;   // dealt, not done
  uint64_t spans_left = 0;       // not done, those assigned included
  double eta_seconds = -1;       // until all are done; < 0: unknown
  std::vector<RankStatus> ranks;
  std::vector<JobEvent> events;  // since the last tick
  bool stopping = false;
};

// What rank 0 alone does. begin, settle, commit and complete run on one thread of their own, tick on the message
// thread.
struct CoordinatorHooks {
  // Called when all ranks are ready and agree.
  std::function<JobPlan()> begin;
  // Called once after begin, while spans are dealt already: further spans to do. May be empty.
  std::function<std::vector<uint64_t>()> settle;
  // Makes results permanent: whatever has arrived since the last call. A span that was done twice comes twice.
  std::function<void(const std::vector<std::string>& results)> commit;
  // Called once, when every span is committed.
  std::function<void()> complete;
  // Called a few times a second and once at the end. Must not block: messages wait meanwhile. May be empty.
  std::function<void(const JobStatus&)> tick;
};

// Runs a job on all ranks of `communicator`: rank 0 deals the spans to all ranks, itself included, and commits them.
// Returns on every rank when the job is complete; otherwise throws, on every rank, the Error that ended it:
// - before begin(), whatever any rank's open or set_up threw, and kMismatch when two ranks set up something else;
// - what a CoordinatorHook threw;
// - what work() threw, if it is none of kUnavailable, kExhausted and kInternal. These retire the rank and its spans are
//   dealt again; but a span that fails on two ranks, or no rank that is left, ends the job;
// - kCancelled when the job was stopped or had to end at its deadline, and on a rank that heard nothing of rank 0 for
//   silence_seconds: running again continues.
// A rank that is silent is given up, its spans are dealt again, and it is taken back when it speaks. The thread that
// calls RunJob is the rank's message thread. Waits for a hook of this process that runs, whatever ended the job.
void RunJob(Communicator& communicator, const WorkerHooks& worker, const CoordinatorHooks& coordinator,
            const JobOptions& options = {});

}  // namespace decant
