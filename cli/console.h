#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "decant/base/error.h"

namespace decant {

// Exit codes (docs/cli.md).
inline constexpr int kExitDamaged = 5;
int ExitCode(ErrorCode code);

// Of this machine.
std::string HostName();

// The first line of what was thrown.
std::string FirstLine(const std::exception& exception);

// 1234567 -> "1,234,567".
std::string Grouped(uint64_t number);
// Bytes of the regular files below `path`.
uint64_t FolderBytes(const std::string& path);
// The most memory that this process has had resident.
uint64_t PeakResidentBytes();

// "A:B": the epochs from `begin` on, `end` excluded.
struct EpochRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};
// kInvalidArgument unless both are numbers and begin is below end.
EpochRange ParseEpochRange(const std::string& text);

// Progress on stderr: on a terminal one line that updates itself, elsewhere a full line every 30 s.
class Progress {
 public:
  Progress();
  ~Progress() { Finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Whether Show() would print now: for callers whose line costs something to make.
  bool due() const;
  void Show(const std::string& line);
  // Prints whatever the time: the first and the last line.
  void ShowNow(const std::string& line);
  // Ends the line, before something else is printed.
  void Finish();

 private:
  std::chrono::steady_clock::time_point last_;
  std::chrono::milliseconds interval_;
  bool terminal_;
  bool line_open_ = false;
};

}  // namespace decant
