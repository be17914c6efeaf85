#include "decant/bench/environment.h"

#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

namespace decant {
namespace {

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace

std::string EnvironmentLine() {
  return fmt::format("{}, {} cores, {} KiB of L2; GCC {}, {} build", ProcessorName(),
                     std::thread::hardware_concurrency(), ::sysconf(_SC_LEVEL2_CACHE_SIZE) / 1024, __VERSION__,
                     DECANT_BUILD_TYPE);
}

std::string BuildWarning() {
#if !defined(__OPTIMIZE__)
  return "this build is not optimised: its speeds mean nothing";
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return "this build has sanitizers: its speeds mean nothing";
#else
  return "";
#endif
}

}  // namespace decant
