#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace decant {

// Writes a file, and the directories that it lies in. Not durable, and so faster than WriteFileAtomically().
inline std::string PutFile(const std::string& path, std::string_view content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  return path;
}

}  // namespace decant
