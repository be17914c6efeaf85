#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace decant {

// The right to write to a store, which one process has at a time: a numbered file in the store's folder `lease`, the
// highest number of which counts. It works where file locks do not. The holder rewrites its file, its heartbeat, all
// the time; who finds a holder that has died on the same machine takes over at once, and who watches a silent one for
// the time that the holder's file states takes over then. Clocks of different machines are never compared.
class WriterLease {
 public:
  // Takes the lease; waits for as long as it takes to know whether another holder lives. kUnavailable, naming that
  // process and its host, when it does. `seconds`, at least 0.5, is how long this holder may be silent.
  WriterLease(const std::string& store_path, double seconds);
  // Releases it.
  ~WriterLease();
  WriterLease(const WriterLease&) = delete;
  WriterLease& operator=(const WriterLease&) = delete;

  // Greater than that of every writer before.
  uint64_t number() const { return number_; }
  // The oldest generation of the database (store_folder.h) that nobody else may still write to: writers that went
  // silent, and may wake up, write on where they were.
  uint64_t generation() const { return generation_; }
  // "process 123 on n1": whom this lease was taken from, when that one did not release it; else empty.
  const std::string& taken_from() const { return taken_from_; }

  // Throws kUnavailable when another writer has taken the lease, or may have: this process was silent for too long.
  void Require() const;

 private:
  void Acquire();
  void WaitForHolder(uint64_t number);
  bool TryCreate(uint64_t number);
  bool TryCreateInPlace(const std::string& path);
  bool Write(bool released);
  void Beat();

  const std::string folder_;
  const std::string store_path_;
  const double seconds_;
  uint64_t number_ = 0;
  uint64_t beat_ = 0;
  int fd_ = -1;
  uint64_t generation_ = 0;
  std::string taken_from_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::steady_clock::time_point last_beat_;
  bool ended_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace decant
