#include "span_table.h"

#include <algorithm>

namespace decant {

void SpanTable::Add(const std::vector<uint64_t>& spans) {
  states_.reserve(states_.size() + spans.size());
  for (const uint64_t span : spans) {
    if (!states_.try_emplace(span).second) continue;
    line_.push_back(span);
    ++num_pending_;
  }
}

std::optional<uint64_t> SpanTable::NextPending() {
  while (!line_.empty()) {
    const State& state = states_.at(line_.front());
    if (!state.done && !state.held()) return line_.front();
    line_.pop_front();
  }
  return std::nullopt;
}

bool SpanTable::Hold(uint64_t span, int worker) {
  const auto found = states_.find(span);
  if (found == states_.end() || found->second.done) return false;
  State& state = found->second;
  if (std::ranges::count(state.holders, worker) > 0) return false;
  int* free = std::ranges::find(state.holders, kNobody);
  if (free == std::end(state.holders)) return false;
  if (!state.held()) {
    --num_pending_;
    ++num_held_;
  }
  *free = worker;
  return true;
}

bool SpanTable::Release(uint64_t span, int worker) {
  const auto found = states_.find(span);
  if (found == states_.end()) return false;
  State& state = found->second;
  int* holder = std::ranges::find(state.holders, worker);
  if (holder == std::end(state.holders)) return false;
  *holder = kNobody;
  if (state.done || state.held()) return false;
  --num_held_;
  ++num_pending_;
  line_.push_front(span);
  return true;
}

bool SpanTable::MarkDone(uint64_t span) {
  State& state = states_.at(span);
  if (state.done) return false;
  --(state.held() ? num_held_ : num_pending_);
  ++num_done_;
  state.done = true;
  return true;
}

bool SpanTable::MarkFailed(uint64_t span, int worker) {
  const auto found = states_.find(span);
  if (found == states_.end()) return false;
  State& state = found->second;
  if (state.failed_on != kNobody && state.failed_on != worker) return true;
  state.failed_on = worker;
  return false;
}

int SpanTable::num_holders(uint64_t span) const {
  const State& state = states_.at(span);
  return static_cast<int>(kMaxHolders - std::ranges::count(state.holders, kNobody));
}

}  // namespace decant
