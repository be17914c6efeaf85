#include "decant/base/error.h"

#include <cerrno>
#include <cstring>

namespace decant {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kMismatch:
      return "mismatch";
    case ErrorCode::kDataLoss:
      return "data loss";
    case ErrorCode::kExhausted:
      return "exhausted";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

void FailErrno(int error_number, std::string_view action, std::string_view path) {
  ErrorCode code = ErrorCode::kUnavailable;
  switch (error_number) {
    case ENOENT:
      code = ErrorCode::kNotFound;
      break;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      code = ErrorCode::kExhausted;
      break;
    default:
      break;
  }
  Fail(code, "cannot {} {}: {}", action, path, std::strerror(error_number));
}

}  // namespace decant
