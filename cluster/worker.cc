#include "worker.h"

#include <utility>

namespace decant {

Worker::Worker(const WorkerHooks& hooks, double heartbeat_seconds, std::function<void()> wake)
    : hooks_(hooks), heartbeat_seconds_(heartbeat_seconds), work_(hooks, std::move(wake)) {}

void Worker::Take(const JobMessage& message) {
  switch (message.kind) {
    case MessageKind::kOpen:
      work_.OpenAndSetUp();
      break;
    case MessageKind::kBegin:
      work_.Begin(message.text);
      break;
    case MessageKind::kAssign:
      spans_.push_back(message.span);
      break;
    case MessageKind::kPing:
      break;
    case MessageKind::kStop:
      Stop({message.code, message.text}, message.request);
      break;
    default:
      Fail(ErrorCode::kInternal, "the coordinator sent a worker's message");
  }
}

void Worker::Stop(const Outcome& outcome, StopRequest request) {
  if (!std::exchange(stopped_, true)) outcome_ = outcome;
  request == StopRequest::kAbandon ? work_.Abandon() : work_.Finish();
}

void Worker::GiveUp(const Outcome& outcome) {
  Stop(outcome, StopRequest::kAbandon);
}

void Worker::PassOnSpans() {
  if (spans_.empty() || stopped_ || !work_.begun()) return;
  for (const uint64_t span : std::exchange(spans_, {})) {
    if (hooks_.prepare) hooks_.prepare(span);
    work_.Work(span);
  }
}

std::vector<JobMessage> Worker::TakeOutgoing(double now) {
  std::vector<JobMessage> messages;
  if (said_bye_) return messages;
  if (!std::exchange(said_hello_, true)) messages.push_back({.kind = MessageKind::kHello, .text = hooks_.host});
  PassOnSpans();
  const bool ended = stopped_ && work_.ended();
  for (JobMessage& message : work_.TakeMessages()) messages.push_back(std::move(message));
  const StopRequest request = hooks_.stop_requested ? hooks_.stop_requested() : StopRequest::kNone;
  if (request > requested_) {
    requested_ = request;
    messages.push_back({.kind = MessageKind::kStopRequest, .request = request});
  }
  if (now >= next_heartbeat_) {
    next_heartbeat_ = now + heartbeat_seconds_;
    messages.push_back({.kind = MessageKind::kAlive, .text = hooks_.statistics ? hooks_.statistics() : ""});
  }
  if (ended) {
    messages.push_back({.kind = MessageKind::kBye});
    said_bye_ = true;
  }
  return messages;
}

}  // namespace decant
