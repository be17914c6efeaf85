#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "decant/base/error.h"
#include "decant/cluster/communicator.h"

namespace decant {

// What a rank brings to a job.
struct WorkerHooks {
  std::string identity;          // must be equal on all ranks
  std::optional<Error> failure;  // why this rank cannot work; the job ends with it
  // Does the work of a span and returns its result, bytes for `commit`. Called on a thread of its own.
  std::function<std::string(uint64_t span)> work;
  // Told, on another thread, which span work() will be called for after those it was told of before. May be empty.
  std::function<void(uint64_t span)> prepare;
};

// What rank 0 alone does, all on the thread that calls RunJob.
struct CoordinatorHooks {
  // The spans to do. Called when all ranks are ready.
  std::function<std::vector<uint64_t>()> begin;
  // Makes finished spans permanent.
  std::function<void(const std::vector<std::string>& results)> commit;
  // Called once, when every span is committed.
  std::function<void()> complete;
  // Whether to stop dealing spans; those under way are finished and committed.
  std::function<bool()> stop_requested;
  // Called a few times a second.
  std::function<void()> tick;
};

// Runs a job on all ranks of `communicator`: rank 0 deals the spans to all ranks, itself included, and commits them.
// Returns on every rank when the job is complete. Throws, on every rank, the Error that ended it otherwise: the first
// that any rank met, or kCancelled when it was stopped.
void RunJob(Communicator& communicator, const WorkerHooks& worker, const CoordinatorHooks& coordinator);

}  // namespace decant
