#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace decant {

// What kind of failure an Error is. The CLI maps each to an exit code (docs/cli.md).
enum class ErrorCode {
  kInvalidArgument,  // the caller's request makes no sense: a wrong key, type, range
  kNotFound,         // a file, a key, a sample that is not there
  kMismatch,         // two things that must agree do not: schema, dataset, teacher
  kDataLoss,         // bytes on disk are damaged or missing
  kExhausted,        // disk full, out of memory, too many open files
  kUnavailable,      // the environment refuses: permission, I/O error, a lock held by another
  kCancelled,        // stopped on request; running again continues
  kInternal,         // a defect of Decant
};

// "invalid argument", "data loss", ...
std::string_view ErrorCodeName(ErrorCode code);

// The one exception type of Decant. `what()` is one line: what is wrong, where, expected and found, what to do next.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Throws Error(code, fmt::format(format, args...)).
template <typename... Args>
[[noreturn]] void Fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// Throws the Error for a failed system call: "<action> <path>: <strerror(error_number)>". ENOSPC, EDQUOT, EMFILE and
// ENOMEM are kExhausted, ENOENT is kNotFound, everything else is kUnavailable.
[[noreturn]] void FailErrno(int error_number, std::string_view action, std::string_view path);

}  // namespace decant
