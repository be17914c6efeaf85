#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

// What the threads of rank 0 need, measured.
struct ServiceTimes {
  double message_seconds = 0;      // to decode, encode, send and receive one message, without any decision
  double commit_seconds = 0;       // of a batch, whatever its size
  double commit_span_seconds = 0;  // of each span in it
};

// The first of the three, by messages between threads.
double MeasureMessageSeconds();
// Messages of a job of `num_ranks` that the message thread takes and answers in a second when it does nothing else:
// decoded, decided upon, answers encoded.
double MeasureMessagesPerSecond(int num_ranks);

// A job under a virtual clock: the real Coordinator, the processor time of each of its calls, the service times; ranks
// whose spans last `span_seconds`, 10 % more or less, each `spans_per_rank` of them.
struct ScalingRow {
  uint32_t ranks = 0;
  double efficiency = 0;           // busy time of all ranks / (ranks x time until everything is committed)
  double message_thread_busy = 0;  // share of that time
  double commit_thread_busy = 0;
};
ScalingRow SimulateJob(const ServiceTimes& times, uint32_t num_ranks, double span_seconds, uint32_t spans_per_rank);

// One object for each of 1, 10 and 60 s a span: `rows` up to `max_ranks`, and `limit_ranks`: how many ranks there may
// be before the efficiency falls under 0.95; null where it does not.
std::vector<nlohmann::ordered_json> MeasureScaling(const ServiceTimes& times, uint32_t max_ranks,
                                                   const std::function<void(const std::string&)>& progress);

}  // namespace decant
