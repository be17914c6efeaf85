#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "decant/data/source.h"

namespace decant {

// Called with what is done and what there is to do, from one thread at a time.
using ProgressFunction = std::function<void(uint64_t num_done, uint64_t num_all)>;

struct UndecodableSample {
  uint64_t sample_id = 0;
  std::string name;
  std::string reason;
};

// Reads and decodes every image once, in `num_threads` threads (0: as many as the machine has), and returns those that
// cannot be, by sample id. Also checks the index of a source that has one: kDataLoss when it is damaged. kUnavailable,
// kExhausted when it is not the sample's fault.
std::vector<UndecodableSample> CheckSource(const ImageSource& source, unsigned num_threads,
                                           const ProgressFunction& progress = {});

}  // namespace decant
