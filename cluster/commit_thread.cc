#include "commit_thread.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace decant {

CommitThread::CommitThread(const CoordinatorHooks& hooks, std::function<void()> wake)
    : hooks_(hooks), wake_(std::move(wake)), thread_([this] { Run(); }) {}

CommitThread::~CommitThread() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

void CommitThread::Begin() {
  {
    const std::lock_guard lock(mutex_);
    begin_ = settle_ = !failed_;
  }
  changed_.notify_all();
}

void CommitThread::Commit(std::vector<Coordinator::Result> results) {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    std::ranges::move(results, std::back_inserter(results_));
  }
  changed_.notify_all();
}

void CommitThread::Complete() {
  {
    const std::lock_guard lock(mutex_);
    complete_ = !failed_;
  }
  changed_.notify_all();
}

void CommitThread::Stop() {
  const std::lock_guard lock(mutex_);
  begin_ = settle_ = false;
}

bool CommitThread::idle() {
  const std::lock_guard lock(mutex_);
  return !busy_ && !HasWork();
}

std::vector<CommitThread::Event> CommitThread::TakeEvents() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

void CommitThread::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || HasWork(); });
    if (closed_) return;
    busy_ = true;
    Step(lock);
    busy_ = false;
    lock.unlock();
    wake_();
    lock.lock();
  }
}

void CommitThread::Step(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(begin_, false)) {
    return Call(lock, [&] { return Event{.kind = Event::kBegun, .plan = hooks_.begin()}; });
  }
  if (std::exchange(settle_, false)) {
    return Call(lock, [&] {
      Event event = {.kind = Event::kSettled};
      if (hooks_.settle) event.plan.spans = hooks_.settle();
      return event;
    });
  }
  if (!results_.empty()) {
    const std::vector<Coordinator::Result> results = std::exchange(results_, {});
    return Call(lock, [&] { return CommitResults(results); });
  }
  complete_ = false;
  Call(lock, [&] {
    if (hooks_.complete) hooks_.complete();
    return Event{.kind = Event::kCompleted};
  });
}

CommitThread::Event CommitThread::CommitResults(const std::vector<Coordinator::Result>& results) {
  std::vector<std::string> bytes;
  for (const Coordinator::Result& result : results) bytes.push_back(result.bytes);
  const auto begin = std::chrono::steady_clock::now();
  hooks_.commit(bytes);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return {.kind = Event::kCommitted,
          .num_spans = static_cast<uint64_t>(std::ranges::count_if(results, &Coordinator::Result::is_first)),
          .seconds = seconds.count()};
}

void CommitThread::Call(std::unique_lock<std::mutex>& lock, const std::function<Event()>& body) {
  lock.unlock();
  Event event;
  try {
    event = body();
  } catch (const std::exception& exception) {
    event.kind = Event::kFailed;
    event.failure = DescribeFailure(exception);
  }
  lock.lock();
  if (event.kind == Event::kFailed) {
    failed_ = true;
    begin_ = settle_ = complete_ = false;
    results_.clear();
  }
  events_.push_back(std::move(event));
}

}  // namespace decant
