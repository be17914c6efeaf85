#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dealer.h"
#include "messages.h"

namespace decant {

// Times are seconds of the clock that is passed in.
struct CoordinatorOptions {
  double silence_seconds = 30;
  double start_seconds = 120;
  std::optional<double> deadline;
  double deadline_margin_seconds = 5;

  // How often ranks speak, and how often silence is looked for.
  double heartbeat_seconds() const;
};

// What rank 0 decides in a job: who is there, who works on what, when it ends. No I/O; `now` never goes back. Workers
// are the ranks, [0, num_workers); worker 0 is in the coordinator's own process and is never given up.
class Coordinator {
 public:
  struct Outgoing {
    int worker = 0;
    JobMessage message;
  };
  struct Result {
    std::string bytes;
    bool is_first = true;  // of its span
  };

  Coordinator(int num_workers, const CoordinatorOptions& options, double now);

  // Takes a worker's message.
  void OnMessage(int worker, JobMessage message, double now);
  // Looks for what has become due. Call it at least once in heartbeat_seconds().
  void OnTime(double now);

  // begin() said this. After may_begin().
  void Begin(const JobPlan& plan, double now);
  // settle() said this.
  void Settle(const std::vector<uint64_t>& spans, double now);
  // Results were committed, `num_spans` of them the first of their spans, in `seconds`.
  void OnCommitted(uint64_t num_spans, double seconds);
  // Everything is committed, and complete() was called: neither a failed worker nor a request to stop ends the job now.
  void Complete() { completing_ = true; }
  // Ends the job with this outcome, an ErrorCode or kNoError, unless it has ended. What is under way is abandoned.
  void End(int32_t code, const std::string& text, double now);
  // Results cannot be committed: the outcome of a job that was stopped, too.
  void EndUncommitted(int32_t code, const std::string& text, double now);
  void RequestStop(StopRequest request, const std::string& text, double now);

  // Messages to send, results to commit, events to report: each handed out once.
  std::vector<Outgoing> TakeOutgoing() { return std::exchange(outgoing_, {}); }
  std::vector<Result> TakeResults() { return std::exchange(results_, {}); }
  std::vector<JobEvent> TakeEvents() { return std::exchange(events_, {}); }

  // All ranks that are there are ready and agree, and the job has neither begun nor ended.
  bool may_begin() const;
  // Everything is committed.
  bool all_committed() const;
  // The job has ended, and nothing more is expected of any worker.
  bool finished(double now) const;
  bool stopped() const { return stopped_; }
  int32_t code() const { return code_; }
  const std::string& text() const { return text_; }

  // Without events.
  JobStatus Status(double now);

 private:
  struct Worker {
    RankStatus::State state = RankStatus::kStarting;  // kReady: or working, or idle
    std::string host;
    std::string statistics;
    std::string reason;
    std::string identity;
    double heard = 0;  // when it was last heard of
    double told = 0;   // when it was last sent a message
    bool heard_of = false;
    bool is_ready = false;  // its identity is known
    bool is_retired = false;
    bool open_sent = false;
    bool begin_sent = false;
  };

  Worker& At(int worker) { return workers_[static_cast<size_t>(worker)]; }
  int num_workers() const { return static_cast<int>(workers_.size()); }
  void Send(int worker, JobMessage message);
  void SendStop(int worker);
  void Report(const char* kind, int worker, int64_t span, const std::string& text);
  std::string Name(int worker) const;

  void OnReady(int worker, double now);
  void OnDone(int worker, JobMessage message, double now);
  void OnFailed(int worker, const JobMessage& message, double now);
  bool Agrees(int worker);
  void Retire(int worker, int32_t code, const std::string& text, double now);
  void GiveUp(int worker, const std::string& reason, double now);
  void TakeBack(int worker, double now);
  // Has its spans dealt again; the job ends when nobody is left.
  void LeaveJob(int worker, double now);

  // Tells a worker what it needs to know to come as far as the others.
  void CatchUp(int worker, double now);
  void Deal(const std::vector<Dealer::Deal>& deals);
  void LookForSilence(double now);
  void LookAtDeadline(double now);
  void Stop(int32_t code, const std::string& text, StopRequest how, double now);

  const CoordinatorOptions options_;
  std::vector<Worker> workers_;
  Dealer dealer_;
  std::string brief_;
  bool opened_ = false;
  bool begun_ = false;
  bool settled_ = false;
  bool completing_ = false;
  uint64_t num_committed_ = 0;
  double commit_seconds_ = 0;
  double last_time_ = 0;
  double next_look_ = 0;

  int32_t retired_code_ = kNoError;  // why the last one retired
  std::string retired_text_;

  StopRequest requested_ = StopRequest::kNone;
  bool stopped_ = false;
  double stopped_time_ = 0;
  int32_t code_ = kNoError;
  std::string text_;

  std::vector<Outgoing> outgoing_;
  std::vector<Result> results_;
  std::vector<JobEvent> events_;
};

}  // namespace decant
