#pragma once

#include <cstdint>
#include <string>

namespace decant {

// A process, among all that there are on all machines.
struct ProcessIdentity {
  std::string host;
  std::string machine;  // which kernel since which boot, and which of its name spaces of process ids
  int64_t pid = 0;
  std::string started;  // clock ticks after the boot

  // "process 123 on n1"
  std::string Describe() const;
  // Whether it ran on the machine of `self` and is no more.
  bool IsKnownDead(const ProcessIdentity& self) const;
  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity ThisProcess();

}  // namespace decant
