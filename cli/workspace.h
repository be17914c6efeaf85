#pragma once

#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "decant/base/file.h"

namespace decant {

// A folder that goes away with its benchmark.
class Workspace {
 public:
  Workspace() : path_(std::filesystem::temp_directory_path() / fmt::format("decant-bench-{}", ::getpid())) {
    CreateDirectories(path_);
  }
  ~Workspace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  std::string File(const std::string& name) const { return path_ / name; }

 private:
  const std::filesystem::path path_;
};

}  // namespace decant
