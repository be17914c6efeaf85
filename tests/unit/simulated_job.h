#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <numeric>
#include <queue>
#include <string>
#include <vector>

#include "coordinator.h"

namespace decant {

// A rank under a virtual clock. Messages both ways arrive after `delay`, in order; those that arrive while it is frozen
// wait.
struct SimulatedRank {
  std::function<double(uint64_t span, double now)> span_seconds = [](uint64_t, double) { return 1.0; };
  double dies = INFINITY;
  double freezes = INFINITY;  // from then on it does nothing
  double thaws = INFINITY;
  std::map<uint64_t, ErrorCode> fails;  // on these spans

  std::deque<uint64_t> held;  // the first is worked on
  size_t most_held = 0;
  double busy_seconds = 0;
  double heard = 0;
  bool working = false;
  bool stopped = false;
  bool gone = false;
};

// A job of the real Coordinator and simulated ranks, in virtual time.
class SimulatedJob {
 public:
  SimulatedJob(int num_ranks, const CoordinatorOptions& options)
      : ranks(static_cast<size_t>(num_ranks)), coordinator(num_ranks, options, 0), options_(options) {}

  std::vector<SimulatedRank> ranks;
  std::vector<uint64_t> spans;
  std::vector<uint64_t> settled;
  double delay = 0.001;
  double limit = 1e5;

  Coordinator coordinator;
  double now = 0;
  double done_time = 0;                 // when the last span was
  std::map<uint64_t, int> num_results;  // by span
  std::map<uint64_t, int> num_first;
  std::map<std::string, int> events;

  // Until the job has finished. Whether it did within the limit.
  bool Run() {
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      for (const MessageKind kind : {MessageKind::kHello, MessageKind::kOpened, MessageKind::kReady}) {
        Say(rank, {.kind = kind, .text = "same"});
      }
      At(0, [this, rank] { Beat(rank); });
    }
    At(0, [this] { Look(); });
    while (!coordinator.finished(now) && now < limit) {
      const Event event = queue_.top();
      queue_.pop();
      now = event.time;
      event.body();
      if (!begun_ && coordinator.may_begin()) {
        begun_ = true;
        coordinator.Begin({"", spans}, now);
        At(now + 0.5, [this] { coordinator.Settle(settled, now); });
      }
      Deliver();
    }
    return coordinator.finished(now);
  }

  double busy_seconds() const {
    double seconds = 0;
    for (const SimulatedRank& rank : ranks) seconds += rank.busy_seconds;
    return seconds;
  }

 private:
  struct Event {
    double time = 0;
    uint64_t number = 0;
    std::function<void()> body;
    bool operator<(const Event& other) const { return std::tie(other.time, other.number) < std::tie(time, number); }
  };

  void At(double time, std::function<void()> body) { queue_.push({time, num_events_++, std::move(body)}); }
  // When a rank can do something that is due at `time`.
  double Awake(const SimulatedRank& rank, double time) const {
    return time >= rank.freezes && time < rank.thaws ? rank.thaws : time;
  }
  bool Dead(const SimulatedRank& rank) const { return now >= rank.dies || rank.gone || std::isinf(now); }

  void Say(size_t rank, JobMessage message) {
    At(now + delay,
       [this, rank, message = std::move(message)] { coordinator.OnMessage(static_cast<int>(rank), message, now); });
  }

  void Look() {
    coordinator.OnTime(now);
    At(now + options_.heartbeat_seconds() / 4, [this] { Look(); });
  }

  void Beat(size_t rank) {
    SimulatedRank& state = ranks[rank];
    if (Dead(state)) return;
    if (Awake(state, now) > now) return At(state.thaws, [this, rank] { Thaw(rank); });
    Say(rank, {.kind = MessageKind::kAlive});
    if (rank != 0 && now - state.heard > std::max(options_.silence_seconds, options_.start_seconds)) Leave(rank);
    At(now + options_.heartbeat_seconds(), [this, rank] { Beat(rank); });
  }
  void Thaw(size_t rank) {
    ranks[rank].heard = now;
    Beat(rank);
  }
  void Leave(size_t rank) {
    Say(rank, {.kind = MessageKind::kBye});
    ranks[rank].gone = true;
  }

  void Deliver() {
    for (auto& [worker, message] : coordinator.TakeOutgoing()) {
      const auto rank = static_cast<size_t>(worker);
      const double time = Awake(ranks[rank], now + delay);
      if (std::isinf(time)) continue;
      At(time, [this, rank, message = std::move(message)] { Take(rank, message); });
    }
    for (const Coordinator::Result& result : coordinator.TakeResults()) {
      const uint64_t span = std::stoull(result.bytes);
      ++num_results[span];
      if (!result.is_first) continue;
      ++num_first[span];
      done_time = now;
      coordinator.OnCommitted(1, 0.001);
    }
    for (const JobEvent& event : coordinator.TakeEvents()) ++events[event.kind];
    if (coordinator.all_committed() && !coordinator.stopped()) {
      coordinator.Complete();
      coordinator.End(kNoError, "", now);
      Deliver();
    }
  }

  void Take(size_t rank, const JobMessage& message) {
    SimulatedRank& state = ranks[rank];
    if (Dead(state)) return;
    state.heard = now;
    if (message.kind == MessageKind::kAssign) {
      state.held.push_back(message.span);
      state.most_held = std::max(state.most_held, state.held.size());
      if (state.held.size() == 1) Work(rank);
    } else if (message.kind == MessageKind::kStop) {
      state.stopped = true;
      if (message.request == StopRequest::kAbandon || !state.working) Leave(rank);
    }
  }

  void Work(size_t rank) {
    SimulatedRank& state = ranks[rank];
    state.working = true;
    const double seconds = state.span_seconds(state.held.front(), now);
    At(Awake(state, now + seconds), [this, rank, seconds] {
      SimulatedRank& done = ranks[rank];
      if (Dead(done)) return;
      done.working = false;
      const uint64_t span = done.held.front();
      done.held.pop_front();
      done.busy_seconds += seconds;
      if (const auto failure = done.fails.find(span); failure != done.fails.end()) {
        const auto code = static_cast<int32_t>(failure->second);
        done.held.clear();
        done.fails.clear();
        return Say(rank, {.kind = MessageKind::kFailed, .span = span, .code = code, .text = "failed"});
      }
      Say(rank, {.kind = MessageKind::kDone, .span = span, .seconds = seconds, .text = std::to_string(span)});
      if (done.stopped) return Leave(rank);
      if (!done.held.empty()) Work(rank);
    });
  }

  const CoordinatorOptions options_;
  std::priority_queue<Event> queue_;
  uint64_t num_events_ = 0;
  bool begun_ = false;
};

}  // namespace decant
