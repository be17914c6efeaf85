#include "decant/cluster/run_job.h"

#include <algorithm>
#include <utility>

#include "commit_thread.h"
#include "coordinator.h"
#include "worker.h"

namespace decant {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPause(20);  // of a message thread that nobody wakes
constexpr double kTickSeconds = 0.25;
constexpr int kMessagesInTurn = 1000;  // before the others' turn comes

double Seconds(Clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}
double Now() {
  return Seconds(Clock::now());
}

CoordinatorOptions OptionsOf(const JobOptions& options) {
  CoordinatorOptions result = {.silence_seconds = options.silence_seconds,
                               .start_seconds = options.start_seconds,
                               .deadline_margin_seconds = options.deadline_margin_seconds};
  if (options.deadline) result.deadline = Seconds(*options.deadline);
  return result;
}

// How long nobody was heard of, without the time in which this process itself was stopped.
class Silence {
 public:
  Silence(double limit, double now) : limit_(limit), last_(now) {}
  void Break(double limit) {
    seconds_ = 0;
    limit_ = limit;
  }
  bool IsTooLong(double now) {
    seconds_ += std::min(now - last_, limit_ / 4);
    last_ = now;
    return seconds_ > limit_;
  }
  double seconds() const { return seconds_; }

 private:
  double limit_;
  double last_;
  double seconds_ = 0;
};

// The message loop of a rank that is not 0.
Outcome RunWorker(Communicator& communicator, const WorkerHooks& hooks, const JobOptions& options) {
  Worker worker(hooks, OptionsOf(options).heartbeat_seconds(), [&] { communicator.Wake(); });
  Silence silence(std::max(options.silence_seconds, options.start_seconds), Now());
  for (;;) {
    for (const JobMessage& message : worker.TakeOutgoing(Now())) communicator.Send(0, EncodeMessage(message));
    if (worker.finished()) return worker.outcome();
    auto message = communicator.Receive(kPause);
    for (; message; message = communicator.Receive(milliseconds(0))) {
      silence.Break(options.silence_seconds);
      worker.Take(DecodeMessage(message->bytes));
    }
    if (!silence.IsTooLong(Now())) continue;
    worker.GiveUp({static_cast<int32_t>(ErrorCode::kCancelled),
                   fmt::format("rank {} has heard nothing of rank 0 for {:.0f} s: it has died, or the network between "
                               "them has; running again continues",
                               communicator.rank(), silence.seconds())});
  }
}

// The message loop of rank 0, whose own worker is worker 0.
class CoordinatorLoop {
 public:
  CoordinatorLoop(Communicator& ranks, const WorkerHooks& worker, const CoordinatorHooks& hooks,
                  const JobOptions& options)
      : ranks_(ranks),
        hooks_(hooks),
        coordinator_(ranks.size(), OptionsOf(options), Now()),
        commit_(hooks, [this] { ranks_.Wake(); }),
        worker_(worker, OptionsOf(options).heartbeat_seconds(), [this] { ranks_.Wake(); }) {
    worker_.Take({.kind = MessageKind::kOpen});
  }

  Outcome Run() {
    try {
      while (!coordinator_.finished(Now()) || !worker_.finished() || !commit_.idle()) Turn();
      TakeCommitEvents();
      Tick(Now(), /*is_last=*/true);
    } catch (const std::exception& exception) {
      // Also when the loop itself broke, the workers must end.
      const JobMessage failure = DescribeFailure(exception);
      coordinator_.End(failure.code, failure.text, Now());
      SendAll();
      throw;
    }
    return {coordinator_.code(), coordinator_.text()};
  }

 private:
  void Turn() {
    TakeFromWorker();
    TakeCommitEvents();
    SendAll();
    ReceiveAll();
    TakeFromWorker();
    coordinator_.OnTime(Now());
    Advance();
    SendAll();
    Tick(Now(), /*is_last=*/false);
  }

  void TakeFromWorker() {
    const double now = Now();
    for (JobMessage& message : worker_.TakeOutgoing(now)) coordinator_.OnMessage(0, std::move(message), now);
  }

  void ReceiveAll() {
    auto message = ranks_.Receive(kPause);
    for (int i = 0; message; ++i) {
      coordinator_.OnMessage(message->from, DecodeMessage(message->bytes), Now());
      if (i == kMessagesInTurn) return;
      message = ranks_.Receive(milliseconds(0));
    }
  }

  // Nothing is created or changed before every rank has shown that it can work and would do the same.
  void Advance() {
    if (!begin_asked_ && coordinator_.may_begin()) {
      begin_asked_ = true;
      commit_.Begin();
    }
    std::vector<Coordinator::Result> results = coordinator_.TakeResults();
    if (!results.empty() && !complete_asked_) commit_.Commit(std::move(results));
    if (coordinator_.stopped()) return commit_.Stop();
    if (!complete_asked_ && coordinator_.all_committed()) {
      complete_asked_ = true;
      coordinator_.Complete();
      commit_.Complete();
    }
  }

  void TakeCommitEvents() {
    const double now = Now();
    for (const CommitThread::Event& event : commit_.TakeEvents()) {
      switch (event.kind) {
        case CommitThread::Event::kBegun:
          coordinator_.Begin(event.plan, now);
          break;
        case CommitThread::Event::kSettled:
          coordinator_.Settle(event.plan.spans, now);
          break;
        case CommitThread::Event::kCommitted:
          coordinator_.OnCommitted(event.num_spans, event.seconds);
          break;
        case CommitThread::Event::kCompleted:
          coordinator_.End(kNoError, "", now);
          break;
        case CommitThread::Event::kFailed:
          coordinator_.EndUncommitted(event.failure.code, event.failure.text, now);
          break;
      }
    }
  }

  void SendAll() {
    for (const auto& [worker, message] : coordinator_.TakeOutgoing()) {
      if (worker == 0) {
        worker_.Take(message);
      } else {
        ranks_.Send(worker, EncodeMessage(message));
      }
    }
  }

  void Tick(double now, bool is_last) {
    if (!hooks_.tick || (now < next_tick_ && !is_last)) return;
    next_tick_ = now + kTickSeconds;
    JobStatus status = coordinator_.Status(now);
    status.events = coordinator_.TakeEvents();
    hooks_.tick(status);
  }

  Communicator& ranks_;
  const CoordinatorHooks& hooks_;
  Coordinator coordinator_;
  bool begin_asked_ = false;
  bool complete_asked_ = false;
  double next_tick_ = 0;
  CommitThread commit_;
  Worker worker_;
};

}  // namespace

void RunJob(Communicator& communicator, const WorkerHooks& worker, const CoordinatorHooks& coordinator,
            const JobOptions& options) {
  const Outcome outcome = communicator.rank() == 0 ? CoordinatorLoop(communicator, worker, coordinator, options).Run()
                                                   : RunWorker(communicator, worker, options);
  outcome.ThrowIfFailed();
}

}  // namespace decant
