#pragma once

#include <cstdint>
#include <functional>

namespace decant {

// Calls `work(index)` for each index in [0, count) from `num_threads` threads, 0 for as many as the machine has, and
// `progress(done, count)` from time to time, from one thread at a time, if there is one. After an exception no further
// work begins; the first one is thrown.
void ParallelFor(uint64_t count, unsigned num_threads, const std::function<void(uint64_t)>& work,
                 const std::function<void(uint64_t, uint64_t)>& progress = {});

}  // namespace decant
