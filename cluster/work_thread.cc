#include "work_thread.h"

#include <chrono>

namespace decant {

WorkThread::WorkThread(const WorkerHooks& hooks, std::function<void()> wake)
    : hooks_(hooks), wake_(std::move(wake)), thread_([this] { Run(); }) {}

WorkThread::~WorkThread() {
  Abandon();
}

void WorkThread::Add(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void WorkThread::OpenAndSetUp() {
  Add([this] {
    if (hooks_.open) hooks_.open();
    Put({.kind = MessageKind::kOpened});
    Put({.kind = MessageKind::kReady, .text = hooks_.set_up ? hooks_.set_up() : ""});
  });
}

void WorkThread::Begin(std::string brief) {
  Add([this, brief = std::move(brief)] {
    if (hooks_.begin) hooks_.begin(brief);
    {
      const std::lock_guard lock(mutex_);
      begun_ = true;
    }
    wake_();
  });
}

void WorkThread::Work(uint64_t span) {
  Add([this, span] { DoWork(span); });
}

void WorkThread::DoWork(uint64_t span) {
  span_ = span;
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    working_ = true;
  }
  const auto begin = std::chrono::steady_clock::now();
  std::string result = hooks_.work(span);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  {
    const std::lock_guard lock(mutex_);
    working_ = false;
  }
  Put({.kind = MessageKind::kDone, .span = span, .seconds = seconds.count(), .text = std::move(result)});
}

void WorkThread::Put(JobMessage message) {
  {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
  }
  wake_();
}

void WorkThread::Run() {
  try {
    for (;;) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return finished_ || !tasks_.empty(); });
        if (finished_) break;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  } catch (const std::exception& exception) {
    Put(DescribeFailure(exception, span_));
  } catch (...) {
    Put({.kind = MessageKind::kFailed,
         .span = span_,
         .code = static_cast<int32_t>(ErrorCode::kInternal),
         .text = "an exception of an unknown type"});
  }
  {
    const std::lock_guard lock(mutex_);
    working_ = false;
    ended_ = true;
  }
  wake_();
}

void WorkThread::Finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
}

void WorkThread::Abandon() {
  Finish();
  bool works = false;
  {
    const std::lock_guard lock(mutex_);
    works = working_ && !std::exchange(abandoned_, true);
  }
  if (works && hooks_.abandon) hooks_.abandon();
}

bool WorkThread::begun() {
  const std::lock_guard lock(mutex_);
  return begun_;
}

bool WorkThread::ended() {
  const std::lock_guard lock(mutex_);
  return ended_;
}

std::vector<JobMessage> WorkThread::TakeMessages() {
  const std::lock_guard lock(mutex_);
  return std::exchange(messages_, {});
}

}  // namespace decant
