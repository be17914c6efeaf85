#include "finish_estimate.h"

#include <cmath>

namespace decant {
namespace {

// Whether `pending` spans are done `seconds` after `now`.
bool Suffices(std::span<const Server> servers, uint64_t pending, double now, double seconds) {
  const auto wanted = static_cast<double>(pending);
  double count = 0;
  for (const Server& server : servers) {
    const double left = seconds - (server.free_at - now);
    if (left > 0) count += std::floor(left / server.span_seconds + 1e-9);
    if (count >= wanted) return true;
  }
  return count >= wanted;
}

}  // namespace

double EarliestFinish(std::span<const Server> servers, uint64_t pending, double now) {
  if (pending == 0) return now;
  double rate = 0;
  double backlog = 0;
  for (const Server& server : servers) {
    rate += 1 / server.span_seconds;
    backlog += (server.free_at - now) / server.span_seconds;
  }
  // A floor takes less than 1 away from each term.
  double low = 0;
  double high = (static_cast<double>(pending) + backlog + static_cast<double>(servers.size())) / rate;
  while (high - low > 1e-9 * high) {
    const double middle = (low + high) / 2;
    (Suffices(servers, pending, now, middle) ? high : low) = middle;
  }
  return now + high;
}

}  // namespace decant
