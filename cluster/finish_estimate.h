#pragma once

#include <cstdint>
#include <span>

namespace decant {

// A worker as the estimate sees it.
struct Server {
  double free_at = 0;       // when it has done what it holds
  double span_seconds = 0;  // for each further span, > 0
};

// When `pending` further spans can be done at the earliest, each whole and by one of `servers`: the smallest T with
// sum over i of max(0, floor((T - free_at_i) / span_seconds_i)) >= pending. This is the makespan of the best schedule
// of equal spans on machines of different speeds. No free_at is below `now`; at least one server. Cost: servers x 50.
double EarliestFinish(std::span<const Server> servers, uint64_t pending, double now);

}  // namespace decant
