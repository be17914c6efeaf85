#include "bench_cluster_scaling.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <queue>

#include "decant/cluster/communicator.h"

#include "cluster/coordinator.h"

namespace decant {
namespace {

constexpr double kHeartbeatSeconds = 1;
constexpr double kLookSeconds = 0.05;
constexpr double kBar = 0.95;

double ThreadSeconds() {
  timespec time = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

JobMessage DoneMessage(uint64_t span, double seconds) {
  return {.kind = MessageKind::kDone, .span = span, .seconds = seconds, .text = std::string(150, 'f')};
}

void BringToWork(Coordinator* coordinator, int num_ranks, uint64_t num_spans) {
  for (int rank = 0; rank < num_ranks; ++rank) {
    for (const MessageKind kind : {MessageKind::kHello, MessageKind::kOpened, MessageKind::kReady}) {
      coordinator->OnMessage(rank, {.kind = kind}, 0);
    }
  }
  JobPlan plan;
  for (uint64_t span = 0; span < num_spans; ++span) plan.spans.push_back(span);
  coordinator->TakeOutgoing();
  coordinator->Begin(plan, 0);
  coordinator->Settle({}, 0);
}

// The job of SimulateJob(). The message thread and the commit thread serve one after the other what waits for them.
class Simulation {
 public:
  Simulation(const ServiceTimes& times, uint32_t num_ranks, double span_seconds, uint32_t spans_per_rank)
      : times_(times),
        num_ranks_(num_ranks),
        num_spans_(uint64_t{num_ranks} * spans_per_rank),
        span_seconds_(span_seconds),
        coordinator_(static_cast<int>(num_ranks), {}, 0),
        ranks_(num_ranks) {}

  ScalingRow Run() {
    BringToWork(&coordinator_, static_cast<int>(num_ranks_), num_spans_);
    Send(0);
    Add({.time = 0, .kind = Event::kLook});
    while (num_committed_ < num_spans_) {
      const Event event = queue_.top();
      queue_.pop();
      Handle(event);
    }
    const double wall = commit_free_;
    return {.ranks = num_ranks_,
            .efficiency = busy_seconds_ / (wall * num_ranks_),
            .message_thread_busy = message_busy_ / wall,
            .commit_thread_busy = commit_busy_ / wall};
  }

 private:
  struct Event {
    enum Kind : uint8_t { kSpanEnds, kAssigned, kCommitEnds, kLook };
    double time = 0;
    Kind kind = kLook;
    uint32_t rank = 0;
    uint64_t span = 0;
    double seconds = 0;
    bool operator<(const Event& other) const { return time > other.time; }
  };
  struct Rank {
    std::vector<uint64_t> held;
  };

  void Add(const Event& event) { queue_.push(event); }

  // Runs `body` on the message thread as soon as it is free, from `time` on. Returns when it is done.
  template <typename Body>
  double OnMessageThread(double time, double num_messages, const Body& body) {
    const double begin = std::max(time, message_free_);
    const double before = ThreadSeconds();
    body(begin);
    const double seconds = ThreadSeconds() - before + num_messages * times_.message_seconds;
    message_free_ = begin + seconds;
    message_busy_ += seconds;
    return message_free_;
  }

  void Handle(const Event& event) {
    switch (event.kind) {
      case Event::kSpanEnds: {
        const double done = OnMessageThread(event.time, 1, [&](double now) {
          coordinator_.OnMessage(static_cast<int>(event.rank), DoneMessage(event.span, event.seconds), now);
        });
        Send(done);
        waiting_ += coordinator_.TakeResults().size();
        Commit(done);
        Rank& rank = ranks_[event.rank];
        rank.held.erase(rank.held.begin());
        if (!rank.held.empty()) Work(event.rank, event.time);
        break;
      }
      case Event::kAssigned:
        ranks_[event.rank].held.push_back(event.span);
        if (ranks_[event.rank].held.size() == 1) Work(event.rank, event.time);
        break;
      case Event::kCommitEnds:
        num_committed_ += committing_;
        coordinator_.OnCommitted(committing_, event.seconds);
        committing_ = 0;
        Commit(event.time);
        break;
      case Event::kLook: {
        // The heartbeats of all ranks come evenly; those of the coordinator are sent by OnTime.
        const double heartbeats = num_ranks_ * kLookSeconds / kHeartbeatSeconds;
        const double done = OnMessageThread(event.time, heartbeats, [&](double now) {
          for (double i = 0; i < heartbeats; ++i) {
            coordinator_.OnMessage(static_cast<int>(next_heartbeat_++ % num_ranks_), {.kind = MessageKind::kAlive},
                                   now);
          }
          coordinator_.OnTime(now);
        });
        Send(done);
        Add({.time = std::max(event.time + kLookSeconds, done), .kind = Event::kLook});
        break;
      }
    }
  }

  void Send(double time) {
    const std::vector<Coordinator::Outgoing> outgoing = coordinator_.TakeOutgoing();
    for (const auto& [worker, message] : outgoing) {
      time = OnMessageThread(time, 1, [](double) {});
      if (message.kind != MessageKind::kAssign) continue;
      Add({.time = time, .kind = Event::kAssigned, .rank = static_cast<uint32_t>(worker), .span = message.span});
    }
    coordinator_.TakeEvents();
  }

  void Work(uint32_t rank, double time) {
    const uint64_t span = ranks_[rank].held.front();
    // Two ranks differ by 10 %, two spans of a rank by 2 %: an even spread, without a generator.
    const double of_rank = static_cast<double>(rank * 7919 % 1000) / 1000 - 0.5;
    const double of_span = static_cast<double>(span * 6007 % 1000) / 1000 - 0.5;
    const double seconds = span_seconds_ * (1 + 0.2 * of_rank + 0.04 * of_span);
    busy_seconds_ += seconds;
    Add({.time = time + seconds, .kind = Event::kSpanEnds, .rank = rank, .span = span, .seconds = seconds});
  }

  void Commit(double time) {
    if (committing_ > 0 || waiting_ == 0) return;
    committing_ = std::exchange(waiting_, 0);
    const double seconds = times_.commit_seconds + times_.commit_span_seconds * static_cast<double>(committing_);
    commit_free_ = std::max(time, commit_free_) + seconds;
    commit_busy_ += seconds;
    Add({.time = commit_free_, .kind = Event::kCommitEnds, .seconds = seconds});
  }

  const ServiceTimes times_;
  const uint32_t num_ranks_;
  const uint64_t num_spans_;
  const double span_seconds_;
  Coordinator coordinator_;
  std::vector<Rank> ranks_;
  std::priority_queue<Event> queue_;
  double message_free_ = 0;
  double message_busy_ = 0;
  double commit_free_ = 0;
  double commit_busy_ = 0;
  double busy_seconds_ = 0;
  uint64_t next_heartbeat_ = 0;
  uint64_t waiting_ = 0;
  uint64_t committing_ = 0;
  uint64_t num_committed_ = 0;
};

}  // namespace

double MeasureMessageSeconds() {
  const auto ranks = MakeThreadCommunicators(2);
  constexpr int kMessages = 100'000;
  const double begin = ThreadSeconds();
  for (int i = 0; i < kMessages; ++i) {
    ranks[0]->Send(1, EncodeMessage(DoneMessage(static_cast<uint64_t>(i), 1)));
    DecodeMessage(ranks[1]->Receive(std::chrono::milliseconds(0))->bytes);
  }
  return (ThreadSeconds() - begin) / kMessages;
}

double MeasureMessagesPerSecond(int num_ranks) {
  constexpr uint64_t kSpans = 200'000;
  Coordinator coordinator(num_ranks, {}, 0);
  BringToWork(&coordinator, num_ranks, kSpans);
  std::queue<std::pair<int, uint64_t>> assigned;
  uint64_t num_messages = 0;
  double now = 0;
  const double begin = ThreadSeconds();
  const auto take = [&] {
    for (const auto& [worker, message] : coordinator.TakeOutgoing()) {
      const JobMessage decoded = DecodeMessage(EncodeMessage(message));
      if (decoded.kind == MessageKind::kAssign) assigned.emplace(worker, decoded.span);
      ++num_messages;
    }
  };
  take();
  while (!assigned.empty()) {
    const auto [worker, span] = assigned.front();
    assigned.pop();
    now += 1e-4;
    coordinator.OnMessage(worker, DecodeMessage(EncodeMessage(DoneMessage(span, 0.01))), now);
    ++num_messages;
    take();
    coordinator.TakeResults();
    if (num_messages % 64 == 0) coordinator.OnTime(now);
  }
  return static_cast<double>(num_messages) / (ThreadSeconds() - begin);
}

ScalingRow SimulateJob(const ServiceTimes& times, uint32_t num_ranks, double span_seconds, uint32_t spans_per_rank) {
  return Simulation(times, num_ranks, span_seconds, spans_per_rank).Run();
}

std::vector<nlohmann::ordered_json> MeasureScaling(const ServiceTimes& times, uint32_t max_ranks,
                                                   const std::function<void(const std::string&)>& progress) {
  std::vector<nlohmann::ordered_json> objects;
  for (const double span_seconds : {1.0, 10.0, 60.0}) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    nlohmann::ordered_json limit = nullptr;
    ScalingRow last = {.efficiency = 1};
    for (const uint32_t ranks : {10, 30, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10000}) {
      if (ranks > max_ranks) break;
      progress(fmt::format("scaling: spans of {} s on {} ranks", span_seconds, ranks));
      const ScalingRow row = SimulateJob(times, ranks, span_seconds, /*spans_per_rank=*/30);
      rows.push_back({{"ranks", row.ranks},
                      {"efficiency", row.efficiency},
                      {"message_thread_busy", row.message_thread_busy},
                      {"commit_thread_busy", row.commit_thread_busy}});
      if (limit.is_null() && row.efficiency < kBar) {
        const double share = (last.efficiency - kBar) / (last.efficiency - row.efficiency);
        limit = static_cast<uint32_t>(last.ranks + share * (row.ranks - last.ranks));
      }
      last = row;
      if (row.efficiency < 0.5) break;
    }
    objects.push_back({{"setting", fmt::format("scaling_{}s", span_seconds)},
                       {"span_seconds", span_seconds},
                       {"limit_ranks", limit},
                       {"message_microseconds", 1e6 * times.message_seconds},
                       {"commit_milliseconds", 1e3 * times.commit_seconds},
                       {"commit_span_microseconds", 1e6 * times.commit_span_seconds},
                       {"rows", rows}});
  }
  return objects;
}

}  // namespace decant
