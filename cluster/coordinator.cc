#include "coordinator.h"

#include "decant/base/error.h"

namespace decant {

Coordinator::Coordinator(int num_workers, std::vector<uint64_t> spans, std::string identity)
    : workers_(static_cast<size_t>(num_workers)),
      pending_(spans.begin(), spans.end()),
      identity_(std::move(identity)),
      num_spans_(spans.size()) {}

void Coordinator::AddSpans(const std::vector<uint64_t>& spans) {
  pending_.insert(pending_.end(), spans.begin(), spans.end());
  num_spans_ += spans.size();
  for (int worker = 0; worker < static_cast<int>(workers_.size()); ++worker) Deal(worker);
}

void Coordinator::OnMessage(int worker, const JobMessage& message) {
  Worker& state = workers_.at(static_cast<size_t>(worker));
  switch (message.kind) {
    case MessageKind::kReady:
      if (message.text != identity_) {
        Stop(static_cast<int32_t>(ErrorCode::kMismatch),
             fmt::format("rank {} would label something else: expected {}, found {}; do all ranks see the same job, "
                         "dataset, teacher and version of decant, on the same type of processor?",
                         worker, identity_, message.text));
      }
      state.ready = true;
      ++num_ready_;
      break;
    case MessageKind::kDone:
      --state.num_assigned;
      ++num_done_;
      results_.push_back(message.text);
      break;
    case MessageKind::kFailed:
      Stop(message.code, message.text);
      break;
    case MessageKind::kBye:
      ++num_gone_;
      return;
    case MessageKind::kAssign:
    case MessageKind::kStop:
      Fail(ErrorCode::kInternal, "worker {} sent a coordinator's message", worker);
  }
  Deal(worker);
}

void Coordinator::Deal(int worker) {
  Worker& state = workers_[static_cast<size_t>(worker)];
  if (!state.ready) return;
  // A second span waits at the worker, so that it never waits for us; not near the end, where it could hold up the job.
  while (!stopped_ && !pending_.empty() &&
         (state.num_assigned == 0 || (state.num_assigned == 1 && pending_.size() > workers_.size()))) {
    outgoing_.push_back({worker, {.kind = MessageKind::kAssign, .span = pending_.front()}});
    pending_.pop_front();
    ++state.num_assigned;
  }
}

void Coordinator::Stop(int32_t code, const std::string& text) {
  if (stopped_) return;
  stopped_ = true;
  code_ = code;
  text_ = text;
  for (int worker = 0; worker < static_cast<int>(workers_.size()); ++worker) {
    outgoing_.push_back({worker, {.kind = MessageKind::kStop, .code = code, .text = text}});
  }
}

}  // namespace decant
