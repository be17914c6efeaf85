#pragma once

#include <string>

#include "decant/consumer/trainer.h"

namespace decant {

// The metrics file: a JSON object a line, one line an epoch.
class MetricsFile {
 public:
  // Keeps the lines of the first `epochs_done` epochs of an existing file, drops the others. "" writes nothing.
  MetricsFile(std::string path, uint32_t epochs_done);
  void Append(const EpochReport& report, uint64_t num_steps);

 private:
  std::string path_;
};

}  // namespace decant
