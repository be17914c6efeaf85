#pragma once

#include <string>
#include <vector>

namespace decant {

// A program that runs beside this one. Its stderr is ours.
class Subprocess {
 public:
  // Starts argv[0], looked up in PATH. kUnavailable when it cannot be started.
  explicit Subprocess(const std::vector<std::string>& argv);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  // Waits for its end and returns what it wrote to stdout. Exit code 75 throws kCancelled, another one than 0 throws
  // kUnavailable, with the command.
  std::string Finish();

 private:
  std::string command_;
  int pid_ = -1;
  int stdout_ = -1;
};

// Whether PATH has a program of this name.
bool ProgramExists(const std::string& name);

}  // namespace decant
