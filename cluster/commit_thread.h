#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "coordinator.h"

namespace decant {

// The thread on which rank 0's begin, settle, commit and complete run. After the first that throws, none is called any
// more. The methods are for one thread.
class CommitThread {
 public:
  struct Event {
    enum Kind : uint8_t { kBegun, kSettled, kCommitted, kCompleted, kFailed };
    Kind kind = kCommitted;
    JobPlan plan;            // of kBegun; of kSettled its spans
    uint64_t num_spans = 0;  // of kCommitted: results that are the first of their spans
    double seconds = 0;      // of kCommitted
    JobMessage failure;      // of kFailed
  };

  // `wake` is called from the thread whenever there is an event.
  CommitThread(const CoordinatorHooks& hooks, std::function<void()> wake);
  // Waits for the hook that runs; drops what has not begun.
  ~CommitThread();
  CommitThread(const CommitThread&) = delete;
  CommitThread& operator=(const CommitThread&) = delete;

  void Begin();  // and settle
  void Commit(std::vector<Coordinator::Result> results);
  void Complete();
  // The job has ended: neither begin nor settle is called any more.
  void Stop();

  // Nothing runs and nothing waits.
  bool idle();
  std::vector<Event> TakeEvents();

 private:
  bool HasWork() const { return begin_ || settle_ || complete_ || !results_.empty(); }
  void Run();
  void Step(std::unique_lock<std::mutex>& lock);
  Event CommitResults(const std::vector<Coordinator::Result>& results);
  void Call(std::unique_lock<std::mutex>& lock, const std::function<Event()>& body);

  const CoordinatorHooks& hooks_;
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool begin_ = false;
  bool settle_ = false;
  bool complete_ = false;
  std::vector<Coordinator::Result> results_;
  bool busy_ = false;
  bool failed_ = false;
  bool closed_ = false;
  std::vector<Event> events_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace decant
