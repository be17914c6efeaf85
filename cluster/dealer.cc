#include "dealer.h"

#include <algorithm>

namespace decant {
namespace {

// The weight of the newest span in what is expected of the next one.
constexpr double kSmoothing = 0.3;
// Up to so many workers every estimate is made anew; with more of them at most once in so many seconds.
constexpr size_t kFewWorkers = 128;
constexpr double kEstimateSeconds = 0.05;
// Near the end a reserve is dealt so late, to decide with the latest estimates: this share of the worker's time for a
// span before it is needed, and no less than so many seconds.
constexpr double kReserveShare = 0.15;
constexpr double kReserveSeconds = 0.25;
// A copy must be expected to end this much sooner, in units of its own time.
constexpr double kCopyGain = 0.25;

}  // namespace

double Dealer::ExpectedSeconds(int worker) const {
  const double own = At(worker).span_seconds;
  if (own > 0 || num_known_ == 0) return own;
  return known_seconds_ / num_known_;
}

double Dealer::ExpectedEnd(const Worker& worker, double span_seconds, size_t count, double now) const {
  if (count == 0) return now;
  // One that lasts longer than expected is expected to last as long again as it is late.
  const double late = std::max(0.0, now - worker.begun - span_seconds);
  return worker.begun + 2 * late + span_seconds * static_cast<double>(count);
}

void Dealer::Join(int worker, double now) {
  Worker& state = At(worker);
  if (state.available) return;
  state.available = true;
  state.begun = now;
  ++num_available_;
  servers_changed_ = true;
  // Those that are done or held by two others stay in `held` all the same: the worker is busy with them.
  for (const uint64_t span : state.held) spans_.Hold(span, worker);
}

std::vector<uint64_t> Dealer::Leave(int worker) {
  Worker& state = At(worker);
  std::vector<uint64_t> pending;
  if (!state.available) return pending;
  state.available = false;
  --num_available_;
  servers_changed_ = true;
  // From the last on, so that the first of them is the first in line.
  for (auto span = state.held.rbegin(); span != state.held.rend(); ++span) {
    if (spans_.Release(*span, worker)) pending.push_back(*span);
  }
  std::ranges::reverse(pending);
  return pending;
}

const std::vector<Server>& Dealer::Servers(double now) {
  const bool fresh = now - servers_time_ < kEstimateSeconds;
  if (servers_time_ >= 0 && workers_.size() > kFewWorkers && fresh) return servers_;
  if (servers_time_ == now && !servers_changed_) return servers_;
  servers_.clear();
  rate_ = 0;
  for (int worker = 0; worker < static_cast<int>(workers_.size()); ++worker) {
    const Worker& state = At(worker);
    if (!state.available) continue;
    const double seconds = ExpectedSeconds(worker);
    if (seconds <= 0) continue;
    servers_.push_back({std::max(now, ExpectedEnd(state, seconds, state.held.size(), now)), seconds});
    rate_ += 1 / seconds;
  }
  servers_time_ = now;
  servers_changed_ = false;
  finish_known_ = false;
  return servers_;
}

double Dealer::FinishOfPending(double now) {
  const std::vector<Server>& servers = Servers(now);
  if (!finish_known_) {
    finish_ = servers.empty() ? now : EarliestFinish(servers, spans_.num_pending(), servers_time_);
    finish_known_ = true;
  }
  return finish_;
}

bool Dealer::MayDeal(int worker, double now) {
  const Worker& state = At(worker);
  if (!state.available || spans_.num_pending() == 0 || state.held.size() >= kMaxHeld) return false;
  const double seconds = ExpectedSeconds(worker);
  if (seconds <= 0) {
    if (!EndsInTime(now)) return false;
    return state.held.empty() || spans_.num_pending() > static_cast<uint64_t>(num_available_);
  }
  const double end = std::max(now, ExpectedEnd(state, seconds, state.held.size(), now)) + seconds;
  if (!EndsInTime(end)) return false;
  Servers(now);
  if (end <= now + static_cast<double>(spans_.num_pending()) / rate_) return true;
  const bool early = !state.held.empty() && end - seconds > now + std::max(kReserveSeconds, kReserveShare * seconds);
  return !early && end <= FinishOfPending(now) + 1e-6 * seconds;
}

bool Dealer::MayEndInTime(double now) const {
  for (int worker = 0; worker < static_cast<int>(workers_.size()); ++worker) {
    if (At(worker).available && EndsInTime(now + ExpectedSeconds(worker))) return true;
  }
  return num_available_ == 0;
}

void Dealer::Hold(int worker, uint64_t span, double now) {
  Worker& state = At(worker);
  if (state.held.empty()) state.begun = now;
  state.held.push_back(span);
  spans_.Hold(span, worker);
  servers_changed_ = true;
}

std::optional<Dealer::Deal> Dealer::DealOne(int worker, double now) {
  while (MayDeal(worker, now)) {
    const std::optional<uint64_t> span = spans_.NextPending();
    if (!span) break;
    // One that was given up elsewhere may still be in the hands of a worker that came back.
    if (std::ranges::count(At(worker).held, *span) > 0) {
      spans_.Hold(*span, worker);
      continue;
    }
    Hold(worker, *span, now);
    return Deal{.worker = worker, .span = *span};
  }
  return std::nullopt;
}

std::vector<Dealer::Deal> Dealer::DealTo(int worker, double now) {
  std::vector<Deal> deals;
  while (const auto deal = DealOne(worker, now)) deals.push_back(*deal);
  return deals;
}

std::vector<Dealer::Deal> Dealer::DealToAll(double now) {
  std::vector<Deal> deals;
  for (size_t held = 0; held < kMaxHeld && spans_.num_pending() > 0; ++held) {
    for (int worker = 0; worker < static_cast<int>(workers_.size()); ++worker) {
      if (At(worker).held.size() != held) continue;
      if (const auto deal = DealOne(worker, now)) deals.push_back(*deal);
    }
  }
  return deals;
}

std::vector<Dealer::Deal> Dealer::DealCopies(double now) {
  if (spans_.num_pending() > 0 || spans_.num_held() == 0 || num_known_ == 0) return {};
  std::vector<int> idle;
  std::vector<std::pair<double, Deal>> candidates;  // by their expected end; who has them
  for (int worker = 0; worker < static_cast<int>(workers_.size()); ++worker) {
    const Worker& state = At(worker);
    if (!state.available) continue;
    if (state.held.empty()) idle.push_back(worker);
    for (size_t i = 0; i < state.held.size(); ++i) {
      const uint64_t span = state.held[i];
      if (spans_.done(span) || spans_.num_holders(span) > 1) continue;
      candidates.push_back({ExpectedEnd(state, ExpectedSeconds(worker), i + 1, now), {worker, span}});
    }
  }
  std::ranges::sort(idle, {}, [&](int worker) { return ExpectedSeconds(worker); });
  std::ranges::sort(candidates, std::ranges::greater(), [](const auto& candidate) { return candidate.first; });
  // The fastest takes what would last longest.
  std::vector<Deal> deals;
  for (size_t i = 0; i < std::min(idle.size(), candidates.size()); ++i) {
    const double seconds = ExpectedSeconds(idle[i]);
    if (now + (1 + kCopyGain) * seconds >= candidates[i].first || !EndsInTime(now + seconds)) break;
    deals.push_back({.worker = idle[i], .span = candidates[i].second.span, .is_copy = true});
    Hold(idle[i], deals.back().span, now);
  }
  return deals;
}

std::optional<bool> Dealer::OnDone(int worker, uint64_t span, double seconds, double now) {
  if (!spans_.knows(span)) return std::nullopt;
  Worker& state = At(worker);
  if (const auto held = std::ranges::find(state.held, span); held != state.held.end()) {
    if (held == state.held.begin()) state.begun = now;
    state.held.erase(held);
  }
  ++state.num_done;
  state.busy_seconds += seconds;
  seconds = std::max(seconds, 1e-9);
  if (state.span_seconds == 0) {
    ++num_known_;
    known_seconds_ += seconds;
    state.span_seconds = seconds;
  } else {
    const double change = kSmoothing * (seconds - state.span_seconds);
    state.span_seconds += change;
    known_seconds_ += change;
  }
  servers_changed_ = true;
  const bool first = spans_.MarkDone(span);
  spans_.Release(span, worker);
  return first;
}

std::optional<double> Dealer::SecondsLeft(double now) {
  double spans = static_cast<double>(spans_.num_pending());
  const std::vector<Server>& servers = Servers(now);
  if (servers.empty()) return std::nullopt;
  for (const Server& server : servers) spans += (server.free_at - servers_time_) / server.span_seconds;
  return spans / rate_;
}

}  // namespace decant
