#include "subprocess.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decant/base/error.h"

#include "console.h"

extern char** environ;

namespace decant {

Subprocess::Subprocess(const std::vector<std::string>& argv) {
  for (const std::string& argument : argv) command_ += (command_.empty() ? "" : " ") + argument;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) FailErrno(errno, "make a pipe for", command_);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const int error = ::posix_spawnp(&pid_, argv.front().c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  stdout_ = ends[0];
  if (error != 0) {
    pid_ = -1;
    ::close(stdout_);
    FailErrno(error, "start", command_);
  }
}

Subprocess::~Subprocess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  ::close(stdout_);
}

std::string Subprocess::Finish() {
  std::string output;
  char buffer[4096];
  for (ssize_t size = 0; (size = ::read(stdout_, buffer, sizeof buffer)) != 0;) {
    if (size > 0) output.append(buffer, static_cast<size_t>(size));
    if (size < 0 && errno != EINTR) FailErrno(errno, "read from", command_);
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  ::close(stdout_);
  if (WIFEXITED(status) && WEXITSTATUS(status) == ExitCode(ErrorCode::kCancelled)) {
    Fail(ErrorCode::kCancelled, "'{}' was stopped", command_);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    Fail(ErrorCode::kUnavailable, "'{}' ended with {} {}", command_, WIFEXITED(status) ? "exit code" : "signal",
         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  }
  return output;
}

bool ProgramExists(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace decant
