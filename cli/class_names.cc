#include "class_names.h"

#include <sstream>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/base/hash.h"

namespace decant {

ClassNames ReadClassNames(const std::string& path, size_t num_classes) {
  const std::string text = ReadFile(path);
  ClassNames found = {.digest = "sha256:" + Sha256Hex(text)};
  std::istringstream lines(text);
  for (std::string name; std::getline(lines, name);) found.names.push_back(name);
  if (found.names.size() != num_classes) {
    Fail(ErrorCode::kInvalidArgument, "{}: expected a line for each of {} classes, found {}", path, num_classes,
         found.names.size());
  }
  return found;
}

}  // namespace decant
