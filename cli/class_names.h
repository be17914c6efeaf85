#pragma once

#include <string>
#include <vector>

namespace decant {

// What a teacher's classes are called: a text file with one name a line, by class id.
struct ClassNames {
  std::vector<std::string> names;
  std::string digest;  // "sha256:<hex>" of the file, as schemas record it
};

// kNotFound without the file; kInvalidArgument unless it has a line for each of `num_classes`.
ClassNames ReadClassNames(const std::string& path, size_t num_classes);

}  // namespace decant
