#include "run_report.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "console.h"
#include "run_texts.h"

namespace decant {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kEventsShown = 10;
constexpr size_t kMostEventsWaiting = 100'000;  // while a file system hangs
constexpr size_t kManyRanks = 1000;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Whether the file's last line was cut off, by a death in the middle of it.
bool EndsInsideLine(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (!file) return false;
  const int last = std::fseek(file, -1, SEEK_END) == 0 ? std::fgetc(file) : '\n';
  std::fclose(file);
  return last != '\n';
}

}  // namespace

struct RunReport::Impl {
  RunFacts facts;
  RunReportOptions options;
  const Clock::time_point begun = Clock::now();

  std::mutex mutex;
  std::condition_variable changed;
  RunSnapshot snapshot;                                       // the newest
  std::vector<std::optional<Clock::time_point>> ready_since;  // of each rank
  std::deque<LoggedEvent> waiting;                            // to be written
  uint64_t num_dropped = 0;                                   // events
  Clock::time_point copied{};                                 // when the job's status was last taken over
  bool news = false;                                          // the snapshot changed
  bool finishing = false;
  bool finished = false;  // the thread is done

  // Of the thread alone.
  std::set<std::string> complained;
  bool log_checked = false;

  double interval() const {
    if (options.interval_seconds > 0) return options.interval_seconds;
    return facts.num_ranks > static_cast<int>(kManyRanks) ? 10 : 2;
  }

  // With the mutex held.
  void Add(LoggedEvent event) {
    // Commits are many, and seen in the counts.
    if (event.kind != "commit") snapshot.events.push_back(event);
    if (snapshot.events.size() > kEventsShown) snapshot.events.erase(snapshot.events.begin());
    if (waiting.size() < kMostEventsWaiting) {
      waiting.push_back(std::move(event));
    } else {
      ++num_dropped;
    }
    news = true;
    changed.notify_one();
  }
  void Add(const std::string& kind, nlohmann::ordered_json fields) {
    Add({std::chrono::system_clock::now(), kind, std::move(fields)});
  }

  void TakeOver(const JobStatus& job) {
    const auto now = Clock::now();
    copied = now;
    snapshot.job = job;
    snapshot.job.events.clear();
    ready_since.resize(job.ranks.size());
    for (size_t i = 0; i < job.ranks.size(); ++i) {
      if (!ready_since[i] && job.ranks[i].state != RankStatus::kStarting) ready_since[i] = now;
    }
    news = true;
    changed.notify_one();
  }

  std::string FirstLine() const {
    return fmt::format("{}: {} of {} spans to label, {} {}", facts.store,
                       facts.spans_planned - std::min(facts.spans_planned, snapshot.begun_with.spans),
                       facts.spans_planned, facts.num_ranks, facts.num_ranks == 1 ? "rank" : "ranks");
  }

  void Run();
  void Try(const std::string& path, const std::function<void()>& write);
  void WriteLog(const std::deque<LoggedEvent>& events, uint64_t dropped);
  void WriteFiles(const nlohmann::ordered_json& status);
};

// The whole point is labels: what cannot be written is complained of once, and missing then.
void RunReport::Impl::Try(const std::string& path, const std::function<void()>& write) {
  try {
    write();
  } catch (const std::exception& exception) {
    if (!complained.insert(path).second) return;
    fmt::print(stderr, "warning: the run goes on without {}: {}\n", path, decant::FirstLine(exception));
  }
}

void RunReport::Impl::WriteLog(const std::deque<LoggedEvent>& events, uint64_t dropped) {
  const std::string path = facts.store + "/run.jsonl";
  Try(path, [&] {
    if (!log_checked && EndsInsideLine(path)) AppendToFile(path, "\n");
    log_checked = true;
    for (const LoggedEvent& event : events) {
      AppendToFile(path,
                   EventJson(event).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    }
    if (dropped > 0) {
      const LoggedEvent event = {std::chrono::system_clock::now(), "dropped", {{"events", dropped}}};
      AppendToFile(path, EventJson(event).dump() + "\n");
    }
  });
}

void RunReport::Impl::WriteFiles(const nlohmann::ordered_json& status) {
  const std::string path = facts.store + "/status.json";
  Try(path,
      [&] { ReplaceFile(path, status.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"); });
  if (options.metrics.empty()) return;
  Try(options.metrics, [&] { ReplaceFile(options.metrics, PrometheusText(status)); });
}

void RunReport::Impl::Run() {
  std::optional<Progress> progress;
  if (options.progress) progress.emplace();
  Clock::time_point due{};
  bool first = true;
  std::unique_lock lock(mutex);
  for (bool last = false; !last;) {
    changed.wait_until(lock, due,
                       [&] { return finishing || (news && (!waiting.empty() || (progress && progress->due()))); });
    last = finishing;
    news = false;
    const std::deque<LoggedEvent> events = std::exchange(waiting, {});
    const uint64_t dropped = std::exchange(num_dropped, 0);
    const bool write = last || Clock::now() >= due;
    const bool show = progress && !last && (first || progress->due());
    RunSnapshot now;
    if (write || show) {
      if (write) ++snapshot.beat;
      snapshot.now = std::chrono::system_clock::now();
      snapshot.seconds = SecondsSince(begun);
      snapshot.rank_seconds.resize(ready_since.size());
      for (size_t i = 0; i < ready_since.size(); ++i) {
        snapshot.rank_seconds[i] = ready_since[i] ? SecondsSince(*ready_since[i]) : 0;
      }
      now = snapshot;
    }
    lock.unlock();
    if (!events.empty()) WriteLog(events, dropped);
    if (write || show) {
      const nlohmann::ordered_json status = RunStatusJson(facts, now);
      if (show) progress->ShowNow(first ? FirstLine() : ProgressLine(status));
      if (write) WriteFiles(status);
    }
    if (write) due = Clock::now() + Seconds(interval());
    if (last && progress) progress->Finish();
    first = false;
    lock.lock();
  }
  finished = true;
  changed.notify_all();
}

RunReport::RunReport(const RunFacts& facts, const StoreCounts& counts, const RunReportOptions& options)
    : impl_(std::make_shared<Impl>()) {
  impl_->facts = facts;
  impl_->options = options;
  impl_->snapshot.interval_seconds = impl_->interval();
  impl_->snapshot.begun_with = counts;
  impl_->snapshot.committed = counts;
  nlohmann::ordered_json fields = {{"host", facts.host},
                                   {"pid", facts.pid},
                                   {"ranks", facts.num_ranks},
                                   {"spans", facts.spans_planned},
                                   {"spans_committed", counts.spans},
                                   {"decant", facts.version}};
  if (facts.partition) fields["partition"] = fmt::format("{}/{}", facts.partition->index, facts.partition->count);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->Add("begin", std::move(fields));
  }
  // Not joined: it may hang in a file system, and owns what it uses.
  std::thread([impl = impl_] { impl->Run(); }).detach();
}

RunReport::~RunReport() {
  Finish({.state = "failed", .exit_code = 1});
}

void RunReport::Tick(const JobStatus& job) {
  const std::lock_guard lock(impl_->mutex);
  for (const JobEvent& event : job.events) {
    nlohmann::ordered_json fields = nlohmann::ordered_json::object();
    if (event.rank >= 0) fields["rank"] = event.rank;
    if (event.span >= 0) fields["span"] = event.span;
    if (!event.text.empty()) fields["text"] = event.text;
    impl_->Add(event.kind, std::move(fields));
  }
  const bool many = job.ranks.size() > kManyRanks;
  if (!many || SecondsSince(impl_->copied) >= impl_->interval() / 2) impl_->TakeOver(job);
}

void RunReport::Committed(const StoreCounts& added) {
  if (added.spans == 0) return;
  const std::lock_guard lock(impl_->mutex);
  StoreCounts& total = impl_->snapshot.committed;
  total.spans += added.spans;
  total.labels += added.labels;
  total.bytes += added.bytes;
  impl_->Add(
      "commit",
      {{"spans", added.spans}, {"labels", added.labels}, {"bytes", added.bytes}, {"spans_committed", total.spans}});
}

void RunReport::Log(const std::string& kind, nlohmann::ordered_json fields) {
  const std::lock_guard lock(impl_->mutex);
  impl_->Add(kind, std::move(fields));
}

void RunReport::Finish(const RunOutcome& outcome) {
  std::unique_lock lock(impl_->mutex);
  if (!impl_->finishing) {
    nlohmann::ordered_json fields = {{"exit_code", outcome.exit_code}};
    if (!outcome.text.empty()) fields["text"] = outcome.text;
    if (!outcome.digest.empty()) fields["digest"] = outcome.digest;
    impl_->Add(outcome.state == "stopped" ? "stop" : outcome.state, std::move(fields));
    impl_->snapshot.outcome = outcome;
    impl_->finishing = true;
    impl_->changed.notify_all();
  }
  impl_->changed.wait_for(lock, Seconds(impl_->options.patience_seconds), [&] { return impl_->finished; });
}

}  // namespace decant
