#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace decant {

// How a job goes, as rank 0 sees it.
struct RankStatus {
  int rank = 0;
  std::string host;
  enum State { kStarting, kReady, kWorking, kIdle, kLost, kRetired, kGone } state = kStarting;
  uint64_t spans_done = 0;
  double busy_seconds = 0;
  double span_seconds = 0;  // expected of one span; 0: unknown
  double silent_seconds = 0;
  std::string statistics;
  std::string reason;  // of kLost, kRetired
};

struct JobEvent {
  std::string kind;
  int rank = -1;
  int64_t span = -1;
  std::string text;
};

struct JobStatus {
  uint64_t spans_done = 0;
  uint64_t spans_committed = 0;
  uint64_t spans_assigned = 0;
  uint64_t spans_left = 0;  // those assigned included
  double eta_seconds = -1;  // below 0: unknown
  std::vector<RankStatus> ranks;
  std::vector<JobEvent> events;  // since the last one
  bool stopping = false;
};

}  // namespace decant
