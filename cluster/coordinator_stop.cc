// How a job ends.
#include "coordinator.h"

namespace decant {

void Coordinator::LookAtDeadline(double now) {
  if (!options_.deadline) return;
  if (now >= *options_.deadline - options_.deadline_margin_seconds) {
    return RequestStop(StopRequest::kAbandon, "stopped at the deadline", now);
  }
  const SpanTable& spans = dealer_.spans();
  if (stopped_ || spans.num_pending() == 0 || spans.num_held() > 0 || dealer_.MayEndInTime(now)) return;
  RequestStop(StopRequest::kFinish, "stopped: no further span would end before the deadline", now);
}

void Coordinator::RequestStop(StopRequest request, const std::string& text, double now) {
  if (request <= requested_ || completing_) return;
  requested_ = request;
  Stop(static_cast<int32_t>(ErrorCode::kCancelled), text, request, now);
}

void Coordinator::End(int32_t code, const std::string& text, double now) {
  if (stopped_) return;
  requested_ = StopRequest::kAbandon;
  Stop(code, text, StopRequest::kAbandon, now);
}

void Coordinator::EndUncommitted(int32_t code, const std::string& text, double now) {
  End(code, text, now);
  if (code_ != static_cast<int32_t>(ErrorCode::kCancelled)) return;
  code_ = code;
  text_ = text;
}

void Coordinator::Stop(int32_t code, const std::string& text, StopRequest how, double now) {
  requested_ = how;
  if (!stopped_) {
    stopped_ = true;
    code_ = code;
    text_ = text;
  }
  stopped_time_ = now;
  if (code != kNoError) Report("stopping", -1, -1, text);
  for (int worker = 0; worker < num_workers(); ++worker) {
    const RankStatus::State state = At(worker).state;
    if (state != RankStatus::kGone && state != RankStatus::kLost) SendStop(worker);
  }
}

void Coordinator::SendStop(int worker) {
  Send(worker, {.kind = MessageKind::kStop, .code = code_, .request = requested_, .text = text_});
}

bool Coordinator::finished(double now) const {
  if (!stopped_) return false;
  const bool patience_is_over = now - stopped_time_ > options_.silence_seconds;
  for (int worker = 0; worker < static_cast<int>(workers_.size()); ++worker) {
    const RankStatus::State state = workers_[static_cast<size_t>(worker)].state;
    if (state == RankStatus::kGone || state == RankStatus::kLost) continue;
    // A span under way may be finished; nothing else is worth waiting for, but the own process.
    const bool finishes = requested_ == StopRequest::kFinish && dealer_.holds(worker);
    if (worker == 0 || finishes || !patience_is_over) return false;
  }
  return true;
}

}  // namespace decant
