#include "console.h"

#include <charconv>
#include <cstdio>
#include <filesystem>

#include <sys/resource.h>
#include <unistd.h>

namespace decant {

int ExitCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal:
      return 1;
    case ErrorCode::kInvalidArgument:
      return 2;
    case ErrorCode::kNotFound:
      return 3;
    case ErrorCode::kMismatch:
      return 4;
    case ErrorCode::kDataLoss:
      return kExitDamaged;
    case ErrorCode::kExhausted:
      return 6;
    case ErrorCode::kUnavailable:
      return 7;
    case ErrorCode::kCancelled:
      return 75;
  }
  return 1;
}

std::string HostName() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

std::string FirstLine(const std::exception& exception) {
  const std::string text = exception.what();
  return text.substr(0, text.find('\n'));
}

std::string Grouped(uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

EpochRange ParseEpochRange(const std::string& text) {
  EpochRange range;
  const char* const end = text.data() + text.size();
  const auto begin_result = std::from_chars(text.data(), end, range.begin);
  if (begin_result.ec == std::errc() && begin_result.ptr != end && *begin_result.ptr == ':') {
    const auto end_result = std::from_chars(begin_result.ptr + 1, end, range.end);
    if (end_result.ec == std::errc() && end_result.ptr == end && range.begin < range.end) return range;
  }
  Fail(ErrorCode::kInvalidArgument, "--epochs is '{}', but must be A:B, the epochs from A on, B excluded", text);
}

uint64_t PeakResidentBytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

uint64_t FolderBytes(const std::string& path) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

Progress::Progress()
    : last_(std::chrono::steady_clock::now()),
      interval_(::isatty(STDERR_FILENO) ? std::chrono::milliseconds(200) : std::chrono::seconds(30)),
      terminal_(::isatty(STDERR_FILENO)) {}

void Progress::Finish() {
  if (line_open_) std::fputc('\n', stderr);
  line_open_ = false;
}

bool Progress::due() const {
  return std::chrono::steady_clock::now() - last_ >= interval_;
}

void Progress::Show(const std::string& line) {
  if (due()) ShowNow(line);
}

void Progress::ShowNow(const std::string& line) {
  last_ = std::chrono::steady_clock::now();
  line_open_ = terminal_;
  // Back to the start, the line, and whatever is left of the one before it cleared.
  if (terminal_) {
    fmt::print(stderr, "\r{}\033[K", line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace decant
