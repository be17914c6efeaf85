#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "finish_estimate.h"
#include "span_table.h"

namespace decant {

// Which worker does which span. Times are seconds of one clock that never goes back. No I/O.
//
// A worker holds at most two spans: one that it works on and one in reserve, so that it never waits for an answer. It
// gets a span only if it is expected to finish it no later than all pending spans can be done at the earliest; so the
// slow ones stop first, and all finish together. When nothing is pending, those who are idle take a copy of a span that
// is expected to last longer where it is.
class Dealer {
 public:
  static constexpr size_t kMaxHeld = 2;

  struct Deal {
    int worker = 0;
    uint64_t span = 0;
    bool is_copy = false;
  };

  explicit Dealer(int num_workers) : workers_(static_cast<size_t>(num_workers)) {}

  // No span is dealt that is expected to end later.
  void set_end_by(double end_by) { end_by_ = end_by; }

  void Add(const std::vector<uint64_t>& spans) { spans_.Add(spans); }

  // The worker takes part from now on. One that left takes up again what it held: of these spans, those that are still
  // wanted and not held by two others.
  void Join(int worker, double now);
  // It takes part no longer. Returns those of its spans that nobody else holds: they are the first in line.
  std::vector<uint64_t> Leave(int worker);

  // Whether any worker that takes part could still end a span in time, or nobody takes part.
  bool MayEndInTime(double now) const;

  // What the worker should get now.
  std::vector<Deal> DealTo(int worker, double now);
  // The same for all workers: first spans for those who have none, then reserves.
  std::vector<Deal> DealToAll(double now);
  // Copies for those who have nothing to do. Call it every now and then.
  std::vector<Deal> DealCopies(double now);

  // The worker has finished a span, which need not be one that it holds, after `seconds`. Whether it is the first to
  // do so; nullopt when there is no such span.
  std::optional<bool> OnDone(int worker, uint64_t span, double seconds, double now);
  // Notes a failure. Whether the span had failed on another worker before.
  bool OnFailed(int worker, uint64_t span) { return spans_.MarkFailed(span, worker); }

  const SpanTable& spans() const { return spans_; }
  bool holds(int worker) const { return !At(worker).held.empty(); }
  int num_available() const { return num_available_; }
  uint64_t num_done(int worker) const { return At(worker).num_done; }
  double busy_seconds(int worker) const { return At(worker).busy_seconds; }
  // Expected of one span: the worker's own, else the mean of the others'; 0: unknown.
  double ExpectedSeconds(int worker) const;
  // Until all spans are done; nullopt: unknown.
  std::optional<double> SecondsLeft(double now);

 private:
  struct Worker {
    bool available = false;
    std::deque<uint64_t> held;  // in the order in which they are worked on
    double begun = 0;           // when the first of them was
    double span_seconds = 0;    // smoothed; 0: it has finished none
    uint64_t num_done = 0;
    double busy_seconds = 0;
  };

  Worker& At(int worker) { return workers_[static_cast<size_t>(worker)]; }
  const Worker& At(int worker) const { return workers_[static_cast<size_t>(worker)]; }
  // When the first `count` of the spans that it holds are done.
  double ExpectedEnd(const Worker& worker, double span_seconds, size_t count, double now) const;
  bool MayDeal(int worker, double now);
  bool EndsInTime(double end) const { return !end_by_ || end <= *end_by_; }
  std::optional<Deal> DealOne(int worker, double now);
  void Hold(int worker, uint64_t span, double now);
  // The workers that take part, as they are `now` or shortly before.
  const std::vector<Server>& Servers(double now);
  double FinishOfPending(double now);

  std::vector<Worker> workers_;
  SpanTable spans_;
  std::optional<double> end_by_;
  int num_available_ = 0;
  double known_seconds_ = 0;  // sum of span_seconds over the workers that have one
  int num_known_ = 0;

  // Estimates over all workers. With many of them they are used for a moment before they are made anew.
  std::vector<Server> servers_;
  double rate_ = 0;  // spans per second
  double servers_time_ = -1;
  bool servers_changed_ = true;
  double finish_ = 0;
  bool finish_known_ = false;
};

}  // namespace decant
