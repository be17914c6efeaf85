#include "coordinator.h"

#include <algorithm>

#include "decant/base/error.h"

namespace decant {
namespace {

// Copies and refused spans are thought about anew so often, at most.
constexpr double kLookSeconds = 0.05;

bool RetiresRank(int32_t code) {
  return code == static_cast<int32_t>(ErrorCode::kUnavailable) || code == static_cast<int32_t>(ErrorCode::kExhausted) ||
         code == static_cast<int32_t>(ErrorCode::kInternal);
}

}  // namespace

double CoordinatorOptions::heartbeat_seconds() const {
  return std::min(1.0, silence_seconds / 10);
}

Coordinator::Coordinator(int num_workers, const CoordinatorOptions& options, double now)
    : options_(options), workers_(static_cast<size_t>(num_workers)), dealer_(num_workers), last_time_(now) {
  for (Worker& worker : workers_) worker.heard = worker.told = now;
  if (options_.deadline) dealer_.set_end_by(*options_.deadline - options_.deadline_margin_seconds);
}

void Coordinator::Send(int worker, JobMessage message) {
  At(worker).told = last_time_;
  outgoing_.push_back({worker, std::move(message)});
}

void Coordinator::Report(const char* kind, int worker, int64_t span, const std::string& text) {
  events_.push_back({kind, worker, span, text});
}

std::string Coordinator::Name(int worker) const {
  const std::string& host = workers_[static_cast<size_t>(worker)].host;
  return host.empty() ? fmt::format("rank {}", worker) : fmt::format("rank {} ({})", worker, host);
}

void Coordinator::OnMessage(int worker, JobMessage message, double now) {
  Worker& state = workers_.at(static_cast<size_t>(worker));
  state.heard = now;
  state.heard_of = true;
  if (message.kind == MessageKind::kHello) state.host = message.text;
  if (state.state == RankStatus::kGone) return;
  if (state.state == RankStatus::kLost && message.kind != MessageKind::kBye) TakeBack(worker, now);
  switch (message.kind) {
    case MessageKind::kHello:
      CatchUp(worker, now);
      break;
    case MessageKind::kOpened:
      if (worker != 0) break;
      opened_ = true;
      for (int other = 1; other < num_workers(); ++other) CatchUp(other, now);
      break;
    case MessageKind::kReady:
      state.identity = std::move(message.text);
      OnReady(worker, now);
      break;
    case MessageKind::kDone:
      OnDone(worker, std::move(message), now);
      break;
    case MessageKind::kFailed:
      OnFailed(worker, message, now);
      break;
    case MessageKind::kAlive:
      state.statistics = std::move(message.text);
      break;
    case MessageKind::kStopRequest:
      RequestStop(message.request, worker == 0 ? "stopped on request" : "stopped on request of " + Name(worker), now);
      break;
    case MessageKind::kBye:
      state.state = RankStatus::kGone;
      LeaveJob(worker, now);
      break;
    default:
      Fail(ErrorCode::kInternal, "worker {} sent a coordinator's message", worker);
  }
}

bool Coordinator::Agrees(int worker) {
  const std::string& expected = At(0).identity;
  const std::string& found = At(worker).identity;
  if (found == expected) return true;
  const std::string text = fmt::format(
      "rank {} would label something else: expected {}, found {}; do all ranks see the same job, dataset, "
      "teacher and version of decant, on the same type of processor?",
      worker, expected, found);
  const auto code = static_cast<int32_t>(ErrorCode::kMismatch);
  begun_ ? Retire(worker, code, text, last_time_) : End(code, text, last_time_);
  return false;
}

void Coordinator::OnReady(int worker, double now) {
  Worker& state = At(worker);
  state.is_ready = true;
  if (state.state == RankStatus::kStarting) state.state = RankStatus::kReady;
  if (worker == 0) {
    for (int other = 1; other < num_workers(); ++other) {
      if (At(other).is_ready && !Agrees(other)) return;
    }
  } else if (At(0).is_ready && !Agrees(worker)) {
    return;
  }
  CatchUp(worker, now);
}

void Coordinator::OnDone(int worker, JobMessage message, double now) {
  const std::optional<bool> first = dealer_.OnDone(worker, message.span, message.seconds, now);
  if (!first) Fail(ErrorCode::kInternal, "{} has done span {}, which is none of this job", Name(worker), message.span);
  results_.push_back({std::move(message.text), *first});
  if (!stopped_) Deal(dealer_.DealTo(worker, now));
}

void Coordinator::OnFailed(int worker, const JobMessage& message, double now) {
  if (stopped_ || completing_) return;
  const bool sets_up = message.span == kNoSpan;
  if (!begun_ || (!sets_up && !RetiresRank(message.code))) return End(message.code, message.text, now);
  if (!sets_up && dealer_.OnFailed(worker, message.span)) {
    return End(message.code, message.text, now);
  }
  Retire(worker, message.code, message.text, now);
}

void Coordinator::Retire(int worker, int32_t code, const std::string& text, double now) {
  Worker& state = At(worker);
  state.state = RankStatus::kRetired;
  state.is_retired = true;
  state.reason = text;
  retired_code_ = code;
  retired_text_ = text;
  Report("rank_retired", worker, -1, text);
  LeaveJob(worker, now);
}

void Coordinator::GiveUp(int worker, const std::string& reason, double now) {
  Worker& state = At(worker);
  state.state = RankStatus::kLost;
  state.reason = reason;
  Report("rank_lost", worker, -1, reason);
  LeaveJob(worker, now);
}

void Coordinator::LeaveJob(int worker, double now) {
  const std::vector<uint64_t> spans = dealer_.Leave(worker);
  if (stopped_ || completing_) return;
  const auto works = [](const Worker& other) {
    return other.state == RankStatus::kStarting || other.state == RankStatus::kReady;
  };
  // Worker 0 is never given up: it has retired.
  if (std::ranges::none_of(workers_, works)) return End(retired_code_, retired_text_, now);
  for (const uint64_t span : spans) {
    Report("span_dealt_again", worker, static_cast<int64_t>(span),
           fmt::format("span {} of {} is dealt again", span, Name(worker)));
  }
  if (!spans.empty()) Deal(dealer_.DealToAll(now));
}

void Coordinator::TakeBack(int worker, double now) {
  Worker& state = At(worker);
  Report("rank_back", worker, -1, Name(worker) + " is heard of again");
  if (state.is_retired) {
    state.state = RankStatus::kRetired;
    if (stopped_) SendStop(worker);
    return;
  }
  state.state = state.is_ready ? RankStatus::kReady : RankStatus::kStarting;
  state.reason.clear();
  if (state.begin_sent) dealer_.Join(worker, now);
  CatchUp(worker, now);
}

void Coordinator::CatchUp(int worker, double now) {
  Worker& state = At(worker);
  if (state.state != RankStatus::kStarting && state.state != RankStatus::kReady) return;
  if (stopped_) return SendStop(worker);
  if (worker != 0 && opened_ && !std::exchange(state.open_sent, true)) Send(worker, {.kind = MessageKind::kOpen});
  if (!state.is_ready || !begun_) return;
  if (!std::exchange(state.begin_sent, true)) {
    Send(worker, {.kind = MessageKind::kBegin, .text = brief_});
    dealer_.Join(worker, now);
  }
  Deal(dealer_.DealTo(worker, now));
}

void Coordinator::Deal(const std::vector<Dealer::Deal>& deals) {
  for (const Dealer::Deal& deal : deals) {
    Send(deal.worker, {.kind = MessageKind::kAssign, .span = deal.span});
    if (!deal.is_copy) continue;
    Report("span_doubled", deal.worker, static_cast<int64_t>(deal.span),
           fmt::format("{} takes span {} too, which takes long elsewhere", Name(deal.worker), deal.span));
  }
}

bool Coordinator::may_begin() const {
  if (begun_ || stopped_) return false;
  return std::ranges::all_of(workers_, [](const Worker& worker) {
    return worker.state == RankStatus::kReady || worker.state == RankStatus::kLost;
  });
}

void Coordinator::Begin(const JobPlan& plan, double now) {
  begun_ = true;
  brief_ = plan.brief;
  dealer_.Add(plan.spans);
  if (stopped_) return;
  for (int worker = 0; worker < num_workers(); ++worker) {
    Worker& state = At(worker);
    if (state.state != RankStatus::kReady) continue;
    state.begin_sent = true;
    Send(worker, {.kind = MessageKind::kBegin, .text = brief_});
    dealer_.Join(worker, now);
  }
  Deal(dealer_.DealToAll(now));
}

void Coordinator::Settle(const std::vector<uint64_t>& spans, double now) {
  settled_ = true;
  dealer_.Add(spans);
  if (!stopped_) Deal(dealer_.DealToAll(now));
}

void Coordinator::OnCommitted(uint64_t num_spans, double seconds) {
  num_committed_ += num_spans;
  commit_seconds_ = std::max(seconds, 0.8 * commit_seconds_);
  if (options_.deadline) dealer_.set_end_by(*options_.deadline - options_.deadline_margin_seconds - commit_seconds_);
}

bool Coordinator::all_committed() const {
  return begun_ && settled_ && num_committed_ == dealer_.spans().size();
}

void Coordinator::OnTime(double now) {
  // Whoever was asleep itself cannot know who was silent.
  const double asleep = now - last_time_;
  if (asleep > options_.silence_seconds / 4) {
    for (Worker& worker : workers_) worker.heard = std::min(now, worker.heard + asleep);
  }
  last_time_ = now;
  if (now < next_look_) return;
  next_look_ = now + std::min(kLookSeconds, options_.heartbeat_seconds() / 4);
  LookForSilence(now);
  if (stopped_) return LookAtDeadline(now);
  if (begun_) {
    Deal(dealer_.DealToAll(now));
    Deal(dealer_.DealCopies(now));
  }
  LookAtDeadline(now);
}

void Coordinator::LookForSilence(double now) {
  for (int worker = 1; worker < num_workers(); ++worker) {
    const Worker& state = At(worker);
    if (state.state == RankStatus::kGone || state.state == RankStatus::kLost) continue;
    const double limit =
        state.heard_of ? options_.silence_seconds : std::max(options_.silence_seconds, options_.start_seconds);
    if (now - state.heard > limit) {
      GiveUp(worker,
             fmt::format("{} was not heard of {} {:.0f} s", Name(worker), state.heard_of ? "for" : "in the first",
                         now - state.heard),
             now);
    } else if (now - state.told >= options_.heartbeat_seconds()) {
      Send(worker, {.kind = MessageKind::kPing});
    }
  }
}

JobStatus Coordinator::Status(double now) {
  const SpanTable& spans = dealer_.spans();
  JobStatus status = {.spans_done = spans.num_done(),
                      .spans_committed = num_committed_,
                      .spans_assigned = spans.num_held(),
                      .spans_left = spans.num_pending() + spans.num_held(),
                      .eta_seconds = begun_ ? dealer_.SecondsLeft(now).value_or(-1) : -1,
                      .stopping = stopped_};
  for (int worker = 0; worker < num_workers(); ++worker) {
    const Worker& state = At(worker);
    const bool in_job = state.state == RankStatus::kReady && state.begin_sent;
    status.ranks.push_back({.rank = worker,
                            .host = state.host,
                            .state = !in_job                 ? state.state
                                     : dealer_.holds(worker) ? RankStatus::kWorking
                                                             : RankStatus::kIdle,
                            .spans_done = dealer_.num_done(worker),
                            .busy_seconds = dealer_.busy_seconds(worker),
                            .span_seconds = dealer_.ExpectedSeconds(worker),
                            .silent_seconds = worker == 0 ? 0 : std::max(0.0, now - state.heard),
                            .statistics = state.statistics,
                            .reason = state.reason});
  }
  return status;
}

}  // namespace decant
