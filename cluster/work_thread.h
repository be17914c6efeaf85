#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "messages.h"

namespace decant {

// The thread on which a rank opens, sets up, begins and works. The first exception is its end: a kFailed is the last
// message. The other methods are for one thread, the message thread.
class WorkThread {
 public:
  // `wake` is called from the thread whenever there is something to take.
  WorkThread(const WorkerHooks& hooks, std::function<void()> wake);
  // Abandon(), and waits for the hook that runs.
  ~WorkThread();
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  // What to do, in the order of the calls. OpenAndSetUp gives kOpened and kReady, Work gives kDone.
  void OpenAndSetUp();
  void Begin(std::string brief);
  void Work(uint64_t span);

  // Drops what has not begun; what runs goes on.
  void Finish();
  // The same, and has a work() that runs throw.
  void Abandon();

  // Whether begin() has returned.
  bool begun();
  // After Finish() or a failure: whether nothing runs any more and no message will come.
  bool ended();
  std::vector<JobMessage> TakeMessages();

 private:
  using Task = std::function<void()>;
  void Add(Task task);
  void Run();
  void Put(JobMessage message);
  void DoWork(uint64_t span);

  const WorkerHooks& hooks_;
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::vector<JobMessage> messages_;
  bool finished_ = false;
  bool ended_ = false;
  bool begun_ = false;
  bool working_ = false;
  bool abandoned_ = false;
  uint64_t span_ = kNoSpan;  // of the work thread
  std::jthread thread_;      // last: it uses all of the above
};

}  // namespace decant
