#pragma once

#include <string>

namespace decant {

// One line on what figures depend on: the processor, its cores and caches, the compiler, the build type.
std::string EnvironmentLine();
// Empty when this build may be measured; otherwise why its speeds mean nothing.
std::string BuildWarning();

}  // namespace decant
