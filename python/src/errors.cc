#include <exception>

#include "decant/base/error.h"

#include "bindings.h"

namespace decant::python {
namespace {

const char* ClassOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "InvalidArgumentError";
    case ErrorCode::kNotFound:
      return "NotFoundError";
    case ErrorCode::kMismatch:
      return "MismatchError";
    case ErrorCode::kDataLoss:
      return "DataLossError";
    case ErrorCode::kExhausted:
      return "ExhaustedError";
    case ErrorCode::kUnavailable:
      return "UnavailableError";
    case ErrorCode::kCancelled:
      return "CancelledError";
    case ErrorCode::kInternal:
      break;
  }
  return "InternalError";
}

}  // namespace

// The classes are those of errors.py.
void BindErrors() {
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Error& error) {
      const py::object type = py::module_::import("decant.errors").attr(ClassOf(error.code()));
      PyErr_SetString(type.ptr(), error.what());
    }
  });
}

}  // namespace decant::python
