#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decant {

// What threads did when, written as Chrome trace-event JSON (chrome://tracing, ui.perfetto.dev): the first two million
// events, about 100 MB of memory. Thread-safe.
class Trace {
 public:
  using Clock = std::chrono::steady_clock;

  // `process` names the process in the picture, and is its number there.
  explicit Trace(int process) : process_(process), start_(Clock::now()) {}

  // Names the calling thread in the picture.
  void NameThread(std::string_view name);
  // Something that the calling thread did from `begin` until now. `name` is a literal; `items` is how many samples it
  // was about.
  void Add(const char* name, Clock::time_point begin, uint64_t items);
  // Writes all events to `path`. kUnavailable, kExhausted when it cannot.
  void Write(const std::string& path) const;

 private:
  struct Event {
    const char* name = "";
    uint64_t thread = 0;
    double begin_microseconds = 0;
    double microseconds = 0;
    uint64_t items = 0;
  };

  const int process_;
  const Clock::time_point start_;
  mutable std::mutex mutex_;
  std::vector<Event> events_;
  std::vector<std::pair<uint64_t, std::string>> threads_;
};

// Adds what the scope did to `trace`, if there is one.
class TraceScope {
 public:
  TraceScope(Trace* trace, const char* name, uint64_t items)
      : trace_(trace), name_(name), items_(items), begin_(Trace::Clock::now()) {}
  ~TraceScope() {
    if (trace_) trace_->Add(name_, begin_, items_);
  }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  Trace* const trace_;
  const char* const name_;
  const uint64_t items_;
  const Trace::Clock::time_point begin_;
};

}  // namespace decant
