#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#ifdef DECANT_FULL_PROGRAM
#include <dlfcn.h>
#endif

#include "program.h"

namespace {

#ifdef DECANT_FULL_PROGRAM
// LibTorch takes half a second to load; without it the program starts in a fiftieth. So the commands that do without
// are run without.
bool NeedsLibTorch(int argc, char** argv) {
  constexpr std::array<std::string_view, 12> kStoreCommands = {"check",   "expire", "export",  "extend",
                                                               "extract", "import", "inspect", "match",
                                                               "merge",   "repair", "status",  "verify"};
  if (argc < 2 || std::ranges::find(kStoreCommands, std::string_view(argv[1])) == kStoreCommands.end()) return true;
  return std::any_of(argv + 2, argv + argc, [](std::string_view argument) {
    return argument == "-h" || argument == "--help" || argument.starts_with("--teacher") ||
           argument.starts_with("--samples");
  });
}

int RunFullProgram(int argc, char** argv) {
  void* const library = ::dlopen(DECANT_FULL_PROGRAM, RTLD_NOW | RTLD_GLOBAL);  // global: for the parts of Open MPI
  void* const program = library == nullptr ? nullptr : ::dlsym(library, "DecantProgram");
  if (program != nullptr) return reinterpret_cast<decltype(&DecantProgram)>(program)(argc, argv);
  std::fprintf(stderr, "decant: cannot load the library that belongs to the program: %s\n", ::dlerror());
  return EXIT_FAILURE;
}
#endif

}  // namespace

// Ends at once: a thread may hang in MPI or in a file system, and what libraries clean up at the end must not wait for
// it.
int main(int argc, char** argv) {
#ifdef DECANT_FULL_PROGRAM
  if (NeedsLibTorch(argc, argv)) std::_Exit(RunFullProgram(argc, argv));
#endif
  std::_Exit(DecantProgram(argc, argv));
}
