#pragma once

#include <functional>
#include <string>
#include <vector>

#include "work_thread.h"

namespace decant {

// How a job ended for a rank.
struct Outcome {
  int32_t code = kNoError;
  std::string text;

  void ThrowIfFailed() const {
    if (code != kNoError) throw Error(static_cast<ErrorCode>(code), text);
  }
};

// A rank's side of a job, without the way in which messages travel. Not thread-safe; the thread that uses it is the
// rank's message thread. Times are seconds of one clock.
class Worker {
 public:
  // `wake` is called, from another thread, when there is something to take.
  Worker(const WorkerHooks& hooks, double heartbeat_seconds, std::function<void()> wake);

  // Takes a message of the coordinator.
  void Take(const JobMessage& message);
  // What there is to tell the coordinator. The last message is kBye.
  std::vector<JobMessage> TakeOutgoing(double now);
  // Ends without the coordinator, unless it has said how the job ended. What is under way is abandoned.
  void GiveUp(const Outcome& outcome);

  // Nothing more will come.
  bool finished() const { return said_bye_; }
  const Outcome& outcome() const { return outcome_; }

 private:
  void Stop(const Outcome& outcome, StopRequest request);
  void PassOnSpans();

  const WorkerHooks& hooks_;
  const double heartbeat_seconds_;
  std::vector<uint64_t> spans_;  // that came before begin() had returned
  bool said_hello_ = false;
  bool said_bye_ = false;
  double next_heartbeat_ = 0;
  StopRequest requested_ = StopRequest::kNone;
  bool stopped_ = false;
  Outcome outcome_;
  WorkThread work_;
};

}  // namespace decant
