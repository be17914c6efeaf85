#include "decant/cluster/run_job.h"

#include <deque>
#include <exception>
#include <new>
#include <thread>

#include "coordinator.h"

namespace decant {
namespace {

using std::chrono::milliseconds;

// How long the message loops sleep when nothing comes.
constexpr milliseconds kIdlePause(20);

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

// A rank's side: works on the spans that `coordinator` (a rank of `communicator`) assigns, until it says stop.
class Worker {
 public:
  Worker(Communicator& communicator, const WorkerHooks& hooks) : communicator_(communicator), hooks_(hooks) {}

  Outcome Run() {
    if (hooks_.failure) {
      Send(Describe(*hooks_.failure));
    } else {
      Send({.kind = MessageKind::kReady, .text = hooks_.identity});
    }
    while (!stopped_) {
      const auto message = communicator_.Receive(spans_.empty() ? kIdlePause : milliseconds(0));
      if (message) {
        Take(DecodeMessage(message->bytes));
      } else if (!spans_.empty()) {
        WorkOn(spans_.front());
      }
    }
    Send({.kind = MessageKind::kBye});
    return outcome_;
  }

 private:
  void Send(const JobMessage& message) { communicator_.Send(0, EncodeMessage(message)); }

  void Take(const JobMessage& message) {
    if (message.kind == MessageKind::kAssign) {
      spans_.push_back(message.span);
    } else if (message.kind == MessageKind::kStop) {
      stopped_ = true;
      outcome_ = {message.code, message.text};
    }
  }

  void WorkOn(uint64_t span) {
    try {
      Send({.kind = MessageKind::kDone, .span = span, .text = hooks_.work(span)});
      spans_.pop_front();
    } catch (const std::exception& exception) {
      Send(Describe(exception));
      spans_.clear();
    }
  }

  Communicator& communicator_;
  const WorkerHooks& hooks_;
  std::deque<uint64_t> spans_;
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
