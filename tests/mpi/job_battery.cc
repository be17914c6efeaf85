#include "mpi/job_battery.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <thread>

#include <fmt/ranges.h>

namespace decant {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

void Require(bool condition, const std::string& text) {
  if (!condition) throw std::runtime_error(text);
}
void Sleep(int num_milliseconds) {
  std::this_thread::sleep_for(milliseconds(num_milliseconds));
}

// A job of one rank: its hooks, to be changed before Run(), and what became of it.
class Trial {
 public:
  explicit Trial(JobPlace& place, uint64_t num_spans = 30) : place_(place), num_spans_(num_spans) {
    worker.set_up = [] { return "same"; };
    worker.begin = [this](const std::string& brief) { brief_ = brief; };
    worker.work = [this](uint64_t span) {
      Sleep(span_milliseconds);
      return Result(span);
    };
    worker.statistics = [this] { return fmt::format("rank {}", place_.communicator.rank()); };
    worker.host = "here";
    coordinator.begin = [this] {
      std::vector<uint64_t> spans(num_spans_);
      std::iota(spans.begin(), spans.end(), 0);
      return JobPlan{"brief", spans};
    };
    coordinator.commit = [this](const std::vector<std::string>& results) {
      for (const std::string& result : results) ++committed_[std::stoull(result)];
    };
    coordinator.complete = [this] { completed_ = true; };
    coordinator.tick = [this](const JobStatus& status) {
      for (const JobEvent& event : status.events) ++events_[event.kind];
      status_ = status;
    };
  }

  std::string Result(uint64_t span) const {
    Require(brief_ == "brief", "work before begin");
    return std::to_string(span);
  }

  // Work that lasts until it is abandoned.
  void WorkUntilAbandoned() {
    worker.work = [this](uint64_t) -> std::string {
      while (!abandoned_) Sleep(1);
      Fail(ErrorCode::kCancelled, "abandoned");
    };
    worker.abandon = [this] { abandoned_ = true; };
  }

  void Run() {
    try {
      RunJob(place_.communicator, worker, coordinator, options);
    } catch (const Error& error) {
      outcome_ = error;
    }
  }

  void RunAndSucceed() {
    Run();
    Require(!outcome_, outcome_ ? outcome_->what() : "");
    if (place_.communicator.rank() != 0) return;
    Require(completed_, "complete() was not called");
    Require(committed_.size() == num_spans_, fmt::format("{} spans are committed", committed_.size()));
    Require(status_.spans_committed == num_spans_, "the status has another number");
  }
  // Every rank's outcome is this.
  void RunAndFail(ErrorCode code, const std::string& text) {
    Run();
    Require(outcome_.has_value(), "the job succeeded");
    Require(outcome_->code() == code && std::string(outcome_->what()).find(text) != std::string::npos,
            fmt::format("expected {}: {}; found {}: {}", ErrorCodeName(code), text, ErrorCodeName(outcome_->code()),
                        outcome_->what()));
    Require(!completed_, "complete() was called");
  }
  void RequireCommittedOnce() const {
    for (const auto& [span, count] : committed_) Require(count == 1, fmt::format("span {}: {} times", span, count));
  }
  void RequireEvent(const std::string& kind) const {
    if (place_.communicator.rank() != 0) return;
    Require(events_.contains(kind), fmt::format("no {} among {}", kind, events_));
  }
  uint64_t num_committed() const { return committed_.size(); }
  const JobStatus& status() const { return status_; }
  const std::optional<Error>& outcome() const { return outcome_; }

  WorkerHooks worker;
  CoordinatorHooks coordinator;
  JobOptions options;
  int span_milliseconds = 10;

 private:
  JobPlace& place_;
  const uint64_t num_spans_;
  std::string brief_;
  std::atomic<bool> abandoned_ = false;
  std::map<uint64_t, int> committed_;
  bool completed_ = false;
  std::map<std::string, int> events_;
  JobStatus status_;
  std::optional<Error> outcome_;
};

void Completes(JobPlace& place) {
  Trial trial(place, 300);
  trial.span_milliseconds = 3;
  trial.RunAndSucceed();
  trial.RequireCommittedOnce();
  for (const RankStatus& rank : trial.status().ranks) {
    Require(rank.spans_done > 0, fmt::format("rank {} did nothing", rank.rank));
    Require(rank.host == "here" && rank.statistics == fmt::format("rank {}", rank.rank), "its status is another's");
  }
}

void NothingToDo(JobPlace& place) {
  Trial(place, 0).RunAndSucceed();
}

void LongResults(JobPlace& place) {
  Trial trial(place, 12);
  trial.span_milliseconds = 1;
  trial.worker.work = [&](uint64_t span) { return trial.Result(span) + std::string(3'000'000, ' '); };
  trial.RunAndSucceed();
}

void TheFirstOpensFirst(JobPlace& place) {
  Trial trial(place);
  const std::string file = place.folder + "/opened";
  trial.worker.open = [&] {
    if (place.communicator.rank() == 0) {
      Sleep(300);
      std::ofstream(file) << "by the first";
    }
    Require(std::filesystem::exists(file), "opened before the first had");
  };
  trial.RunAndSucceed();
}

void SettlesMeanwhile(JobPlace& place) {
  Trial trial(place, 40);
  trial.coordinator.begin = [] { return JobPlan{"brief", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}; };
  trial.coordinator.settle = [] {
    Sleep(200);
    std::vector<uint64_t> spans(30);
    std::iota(spans.begin(), spans.end(), 10);
    return spans;
  };
  trial.RunAndSucceed();
}

void AFailingRankRetires(JobPlace& place) {
  Trial trial(place);
  if (place.is_last()) {
    trial.worker.work = [](uint64_t) -> std::string { Fail(ErrorCode::kUnavailable, "the device is gone"); };
  }
  trial.RunAndSucceed();
  trial.RequireCommittedOnce();
  trial.RequireEvent("rank_retired");
}

void AllRanksFail(JobPlace& place) {
  Trial trial(place);
  trial.worker.work = [](uint64_t) -> std::string { Fail(ErrorCode::kExhausted, "disk full"); };
  trial.RunAndFail(ErrorCode::kExhausted, "disk full");
}

void OneRankCannotSetUp(JobPlace& place) {
  Trial trial(place);
  if (place.is_last()) {
    trial.worker.set_up = []() -> std::string { Fail(ErrorCode::kNotFound, "there is no teacher"); };
  }
  trial.RunAndFail(ErrorCode::kNotFound, "there is no teacher");
}

void RanksDisagree(JobPlace& place) {
  Trial trial(place);
  if (place.is_last()) trial.worker.set_up = [] { return "other"; };
  trial.RunAndFail(ErrorCode::kMismatch, "expected same, found other");
}

void CommitFails(JobPlace& place) {
  Trial trial(place);
  trial.coordinator.commit = [](const std::vector<std::string>&) { Fail(ErrorCode::kExhausted, "store full"); };
  trial.RunAndFail(ErrorCode::kExhausted, "store full");
}

void AStopFinishesSpans(JobPlace& place) {
  Trial trial(place, 100000);
  const auto stop = Clock::now() + milliseconds(500);
  if (place.is_last()) {
    trial.worker.stop_requested = [stop] { return Clock::now() > stop ? StopRequest::kFinish : StopRequest::kNone; };
  }
  trial.RunAndFail(ErrorCode::kCancelled, fmt::format("stopped on request of rank {} (here)", place.last_rank()));
  trial.RequireCommittedOnce();
  if (place.communicator.rank() == 0) Require(trial.num_committed() > 0, "nothing is committed");
}

void AnUrgentStopAbandonsSpans(JobPlace& place) {
  Trial trial(place);
  trial.WorkUntilAbandoned();
  const auto stop = Clock::now() + milliseconds(300);
  if (place.is_last()) {
    trial.worker.stop_requested = [stop] { return Clock::now() > stop ? StopRequest::kAbandon : StopRequest::kNone; };
  }
  trial.RunAndFail(ErrorCode::kCancelled, "stopped on request");
}

void TheDeadlineAbandonsSpans(JobPlace& place) {
  Trial trial(place);
  trial.WorkUntilAbandoned();
  trial.options.deadline = Clock::now() + milliseconds(700);
  trial.options.deadline_margin_seconds = 0.2;
  trial.RunAndFail(ErrorCode::kCancelled, "stopped at the deadline");
}

void ASlowSpanIsDoneElsewhere(JobPlace& place) {
  Trial trial(place);
  std::atomic<int> num_spans = 0;
  std::atomic<bool> abandoned = false;
  if (place.is_last()) {
    trial.worker.work = [&](uint64_t span) {
      const bool hangs = ++num_spans > 3;
      while (hangs && !abandoned) Sleep(1);
      if (hangs) Fail(ErrorCode::kCancelled, "abandoned");
      return trial.Result(span);
    };
    trial.worker.abandon = [&] { abandoned = true; };
  }
  trial.RunAndSucceed();
  trial.RequireEvent("span_doubled");
}

void AFrozenRankComesBack(JobPlace& place) {
  Trial trial(place, 100);
  trial.options.silence_seconds = 1;
  trial.span_milliseconds = 80;
  std::atomic<bool> frozen = false;
  if (place.is_last()) {
    trial.worker.work = [&](uint64_t span) {
      if (!frozen.exchange(true)) place.freeze(2);
      Sleep(80);
      return trial.Result(span);
    };
  }
  trial.RunAndSucceed();
  trial.RequireEvent("rank_lost");
  trial.RequireEvent("rank_back");
}

void ADeadRankIsGivenUp(JobPlace& place) {
  Trial trial(place, 60);
  trial.options.silence_seconds = 1;
  trial.span_milliseconds = 20;
  if (!place.is_last()) {
    trial.RunAndSucceed();
    return trial.RequireEvent("rank_lost");
  }
  trial.WorkUntilAbandoned();
  const auto wait = trial.worker.work;
  trial.worker.work = [&](uint64_t span) {
    place.die();
    return wait(span);
  };
  trial.RunAndFail(ErrorCode::kCancelled, "has heard nothing of rank 0");
}

void WithoutTheFirstTheOthersEnd(JobPlace& place) {
  Trial trial(place);
  trial.options.silence_seconds = 1;
  trial.WorkUntilAbandoned();
  if (place.communicator.rank() == 0) {
    const auto begin = trial.coordinator.begin;
    trial.coordinator.begin = [&] {
      Sleep(300);
      place.die();
      return begin();
    };
    // Where it lives on, it finds itself alone.
    const auto end = Clock::now() + milliseconds(2500);
    trial.worker.stop_requested = [end] { return Clock::now() > end ? StopRequest::kAbandon : StopRequest::kNone; };
    return trial.RunAndFail(ErrorCode::kCancelled, "stopped on request");
  }
  trial.RunAndFail(ErrorCode::kCancelled, "has heard nothing of rank 0");
}

}  // namespace

const std::vector<JobCase>& JobCases() {
  static const std::vector<JobCase> cases = {
      {"Completes", Completes},
      {"NothingToDo", NothingToDo},
      {"LongResults", LongResults},
      {"TheFirstOpensFirst", TheFirstOpensFirst},
      {"SettlesMeanwhile", SettlesMeanwhile},
      {"AFailingRankRetires", AFailingRankRetires},
      {"AllRanksFail", AllRanksFail},
      {"OneRankCannotSetUp", OneRankCannotSetUp},
      {"RanksDisagree", RanksDisagree},
      {"CommitFails", CommitFails},
      {"AStopFinishesSpans", AStopFinishesSpans},
      {"AnUrgentStopAbandonsSpans", AnUrgentStopAbandonsSpans},
      {"TheDeadlineAbandonsSpans", TheDeadlineAbandonsSpans},
      {"ASlowSpanIsDoneElsewhere", ASlowSpanIsDoneElsewhere},
      {"AFrozenRankComesBack", AFrozenRankComesBack},
      {"ADeadRankIsGivenUp", ADeadRankIsGivenUp, 1},
      {"WithoutTheFirstTheOthersEnd", WithoutTheFirstTheOthersEnd, 1},
  };
  return cases;
}

}  // namespace decant
