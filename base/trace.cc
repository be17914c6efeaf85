#include "decant/base/trace.h"

#include <fmt/format.h>
#include <unistd.h>

#include "decant/base/file.h"

namespace decant {
namespace {

constexpr size_t kMostEvents = 2'000'000;

uint64_t ThreadNumber() {
  return static_cast<uint64_t>(::gettid());
}

double Microseconds(Trace::Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

}  // namespace

void Trace::NameThread(std::string_view name) {
  const std::lock_guard lock(mutex_);
  threads_.emplace_back(ThreadNumber(), name);
}

void Trace::Add(const char* name, Clock::time_point begin, uint64_t items) {
  const auto end = Clock::now();
  const std::lock_guard lock(mutex_);
  if (events_.size() == kMostEvents) return;
  events_.push_back({name, ThreadNumber(), Microseconds(begin - start_), Microseconds(end - begin), items});
}

void Trace::Write(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  std::string text = "{\"traceEvents\":[\n";
  text += fmt::format(R"({{"ph":"M","name":"process_name","pid":{},"args":{{"name":"rank {}"}}}})", process_, process_);
  for (const auto& [thread, name] : threads_) {
    text += fmt::format(
        ",\n"
        R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":"{}"}}}})",
        process_, thread, name);
  }
  for (const Event& event : events_) {
    text += fmt::format(
        ",\n"
        R"({{"ph":"X","name":"{}","pid":{},"tid":{},"ts":{:.1f},"dur":{:.1f},"args":{{"items":{}}}}})",
        event.name, process_, event.thread, event.begin_microseconds, event.microseconds, event.items);
  }
  WriteFileAtomically(path, text + "\n]}\n");
}

}  // namespace decant
