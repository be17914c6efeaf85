#include "decant/cluster/run_job.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

#include "coordinator.h"

namespace decant {
namespace {

using std::chrono::milliseconds;

// How long the message loops sleep when nothing comes.
constexpr milliseconds kIdlePause(20);
constexpr milliseconds kWorkerPause(5);

// How a job ended for this rank.
struct Outcome {
  int32_t code = -1;
  std::string text;

  void ThrowIfFailed() const {
    if (code >= 0) throw Error(static_cast<ErrorCode>(code), text);
  }
};

JobMessage Describe(const std::exception& exception) {
  const auto* error = dynamic_cast<const Error*>(&exception);
  const bool out_of_memory = dynamic_cast<const std::bad_alloc*>(&exception) != nullptr;
  const ErrorCode code = error ? error->code() : out_of_memory ? ErrorCode::kExhausted : ErrorCode::kInternal;
  return {.kind = MessageKind::kFailed, .code = static_cast<int32_t>(code), .text = exception.what()};
}

// Works on spans, one after the other, on a thread of its own.
class WorkThread {
 public:
  explicit WorkThread(const WorkerHooks& hooks) : hooks_(hooks), thread_([this] { Run(); }) {}

  void Assign(uint64_t span) {
    {
      const std::lock_guard lock(mutex_);
      spans_.push_back(span);
    }
    changed_.notify_all();
  }
  // What there is to say: a span that is done, or why it failed.
  std::optional<JobMessage> TakeMessage() {
    const std::lock_guard lock(mutex_);
    if (messages_.empty()) return std::nullopt;
    std::optional<JobMessage> message(std::move(messages_.front()));
    messages_.pop_front();
    return message;
  }
  // Drops the spans that have not begun, and waits for the one that has.
  void Finish() {
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  ~WorkThread() { Finish(); }

 private:
  void Run() {
    while (const auto span = NextSpan()) {
      JobMessage message;
      try {
        message = {.kind = MessageKind::kDone, .span = *span, .text = hooks_.work(*span)};
      } catch (const std::exception& exception) {
        message = Describe(exception);
      }
      const std::lock_guard lock(mutex_);
      finished_ = finished_ || message.kind == MessageKind::kFailed;
      messages_.push_back(std::move(message));
    }
  }
  std::optional<uint64_t> NextSpan() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finished_ || !spans_.empty(); });
    if (finished_) return std::nullopt;
    const uint64_t span = spans_.front();
    spans_.pop_front();
    return span;
  }

  const WorkerHooks& hooks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<uint64_t> spans_;
  std::deque<JobMessage> messages_;
  bool finished_ = false;
  std::thread thread_;  // last: it uses all of the above
};

// A rank's side: has the spans worked on that the coordinator, rank 0 of `communicator`, assigns, until it says stop.
class Worker {
 public:
  Worker(Communicator& communicator, const WorkerHooks& hooks) : communicator_(communicator), hooks_(hooks) {}

  Outcome Run() {
    if (hooks_.failure) {
      Send(Describe(*hooks_.failure));
    } else {
      Send({.kind = MessageKind::kReady, .text = hooks_.identity});
    }
    WorkThread work(hooks_);
    while (!stopped_) {
      if (const auto message = communicator_.Receive(kWorkerPause)) Take(DecodeMessage(message->bytes), &work);
      SendAll(&work);
    }
    work.Finish();
    SendAll(&work);
    Send({.kind = MessageKind::kBye});
    return outcome_;
  }

 private:
  void Send(const JobMessage& message) { communicator_.Send(0, EncodeMessage(message)); }
  void SendAll(WorkThread* work) {
    while (const auto message = work->TakeMessage()) Send(*message);
  }

  void Take(const JobMessage& message, WorkThread* work) {
    if (message.kind == MessageKind::kAssign) {
      if (hooks_.prepare) hooks_.prepare(message.span);
      work->Assign(message.span);
    } else if (message.kind == MessageKind::kStop) {
      stopped_ = true;
      outcome_ = {message.code, message.text};
    }
  }

  Communicator& communicator_;
  const WorkerHooks& hooks_;
  bool stopped_ = false;
  Outcome outcome_;
};

// Rank 0's side. Worker 0 is a thread of this process, behind `local`; worker r > 0 is rank r of `ranks`.
class CoordinatorLoop {
 public:
  CoordinatorLoop(Communicator& ranks, Communicator& local, const CoordinatorHooks& hooks, const std::string& identity)
      : ranks_(ranks), local_(local), hooks_(hooks), coordinator_(ranks.size(), {}, identity) {}

  Outcome Run() {
    try {
      while (!coordinator_.finished()) Turn();
      CommitResults();
    } catch (const std::exception& exception) {
      Stop(Describe(exception));  // also when the loop itself broke, the workers must end
      SendAll();
      throw;
    }
    return {coordinator_.code(), coordinator_.text()};
  }

 private:
  void Turn() {
    ReceiveAll();
    // Nothing is created or changed before every rank has shown that it can work and would do the same.
    if (!begun_ && !coordinator_.stopped() && coordinator_.all_ready()) Begin();
    CommitResults();
    if (!coordinator_.stopped() && hooks_.stop_requested()) {
      coordinator_.Stop(static_cast<int32_t>(ErrorCode::kCancelled), "stopped on request");
    }
    SendAll();
    hooks_.tick();
  }

  void Begin() {
    begun_ = true;
    try {
      coordinator_.AddSpans(hooks_.begin());
    } catch (const std::exception& exception) {
      Stop(Describe(exception));
    }
  }

  void ReceiveAll() {
    bool any = false;
    while (auto message = local_.Receive(milliseconds(0))) {
      coordinator_.OnMessage(0, DecodeMessage(message->bytes));
      any = true;
    }
    // Waits here, unless there is something to commit.
    for (auto pause = any ? milliseconds(0) : kIdlePause;; pause = milliseconds(0)) {
      const auto message = ranks_.size() > 1 ? ranks_.Receive(pause) : local_.Receive(pause);
      if (!message) return;
      coordinator_.OnMessage(ranks_.size() > 1 ? message->from : 0, DecodeMessage(message->bytes));
    }
  }

  void CommitResults() {
    const std::vector<std::string> results = coordinator_.TakeResults();
    if (commit_failed_) return;
    try {
      if (!results.empty()) hooks_.commit(results);
      if (begun_ && !coordinator_.stopped() && coordinator_.all_done()) {
        hooks_.complete();
        coordinator_.Stop(-1, "");
      }
    } catch (const std::exception& exception) {
      commit_failed_ = true;
      Stop(Describe(exception));
    }
  }

  void Stop(const JobMessage& failure) { coordinator_.Stop(failure.code, failure.text); }

  void SendAll() {
    for (const auto& [worker, message] : coordinator_.TakeOutgoing()) {
      if (worker == 0) {
        local_.Send(1, EncodeMessage(message));
      } else {
        ranks_.Send(worker, EncodeMessage(message));
      }
    }
  }

  Communicator& ranks_;
  Communicator& local_;
  const CoordinatorHooks& hooks_;
  Coordinator coordinator_;
  bool begun_ = false;
  bool commit_failed_ = false;
};

}  // namespace

void RunJob(Communicator& communicator, const WorkerHooks& worker, const CoordinatorHooks& coordinator) {
  if (communicator.rank() != 0) {
    Worker(communicator, worker).Run().ThrowIfFailed();
    return;
  }
  const auto local = MakeThreadCommunicators(2);  // coordinator, worker
  std::jthread own_worker([&] { Worker(*local[1], worker).Run(); });
  CoordinatorLoop(communicator, *local[0], coordinator, worker.identity).Run().ThrowIfFailed();
}

}  // namespace decant
