#pragma once

#include <cerrno>
#include <filesystem>
#include <string>

#include <stdlib.h>

#include "decant/base/error.h"

namespace decant {

// A fresh directory that is removed with its content.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "decant-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) FailErrno(errno, "create directory", pattern);
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace decant
