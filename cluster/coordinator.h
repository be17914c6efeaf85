#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "messages.h"

namespace decant {

// Who works on what: the decisions of the coordinator, without I/O. Workers are numbered [0, num_workers).
class Coordinator {
 public:
  struct Outgoing {
    int worker = 0;
    JobMessage message;
  };

  // `spans` are dealt in the order given. Every worker must report `identity` when it is ready.
  Coordinator(int num_workers, std::vector<uint64_t> spans, std::string identity);

  // More spans, dealt at once to those who are ready.
  void AddSpans(const std::vector<uint64_t>& spans);

  // Takes a worker's message.
  void OnMessage(int worker, const JobMessage& message);
  // Tells every worker to stop, with this outcome (an ErrorCode or -1). Only the first outcome counts.
  void Stop(int32_t code, const std::string& text);

  // Messages to send now, and results to commit now, each handed out once.
  std::vector<Outgoing> TakeOutgoing() { return std::exchange(outgoing_, {}); }
  std::vector<std::string> TakeResults() { return std::exchange(results_, {}); }

  // Every worker has reported the identity.
  bool all_ready() const { return num_ready_ == static_cast<int>(workers_.size()); }
  // Every span's result was taken.
  bool all_done() const { return num_done_ == num_spans_ && results_.empty(); }
  // Every worker said goodbye after Stop().
  bool finished() const { return num_gone_ == static_cast<int>(workers_.size()); }
  bool stopped() const { return stopped_; }
  int32_t code() const { return code_; }
  const std::string& text() const { return text_; }
  uint64_t num_done() const { return num_done_; }

 private:
  struct Worker {
    bool ready = false;
    uint32_t num_assigned = 0;
  };
  void Deal(int worker);

  std::vector<Worker> workers_;
  std::deque<uint64_t> pending_;
  std::string identity_;
  uint64_t num_spans_;
  uint64_t num_done_ = 0;
  int num_ready_ = 0;
  int num_gone_ = 0;
  bool stopped_ = false;
  int32_t code_ = -1;
  std::string text_;
  std::vector<Outgoing> outgoing_;
  std::vector<std::string> results_;
};

}  // namespace decant
