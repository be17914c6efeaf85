#pragma once

#include <string>

#include <gmock/gmock.h>

#include "decant/base/error.h"

namespace decant {

// Matches a callable that throws an Error of this code whose text has `text` in it.
MATCHER_P2(FailsWith, code, text,
           "fails with '" + std::string(ErrorCodeName(code)) + "' and the text '" + std::string(text) + "'") {
  try {
    arg();
  } catch (const Error& error) {
    *result_listener << "fails with '" << ErrorCodeName(error.code()) << "': " << error.what();
    return error.code() == code && std::string_view(error.what()).find(text) != std::string_view::npos;
  }
  *result_listener << "throws nothing";
  return false;
}

}  // namespace decant
