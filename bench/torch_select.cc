#include "torch_select.h"

#include <cerrno>
#include <cstdlib>

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decant/base/error.h"

namespace decant {

TorchSelect::TorchSelect(const std::string& rows_path, uint32_t num_classes, uint32_t k) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    FailErrno(errno, "create a socket for", "torch_select.py");
  }
  socket_ = ends[0];
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string python = "/usr/bin/python3", script = DECANT_BENCH_DIR "/torch_select.py", rows = rows_path;
  std::string classes = std::to_string(num_classes), entries = std::to_string(k);
  char* const argv[] = {python.data(), script.data(), rows.data(), classes.data(), entries.data(), nullptr};
  if (::posix_spawn(&pid_, python.c_str(), &actions, nullptr, argv, environ) != 0) pid_ = -1;
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  available_ = pid_ > 0 && ReadLine() == "ready";
}

TorchSelect::~TorchSelect() {
  ::close(socket_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

// Empty at the end of the process.
std::string TorchSelect::ReadLine() {
  std::string line;
  char byte = 0;
  while (::recv(socket_, &byte, 1, 0) == 1) {
    if (byte == '\n') return line;
    line += byte;
  }
  return "";
}

double TorchSelect::PassSeconds() {
  ::send(socket_, "\n", 1, MSG_NOSIGNAL);
  const std::string line = ReadLine();
  const double seconds = std::strtod(line.c_str(), nullptr);
  if (!(seconds > 0)) Fail(ErrorCode::kUnavailable, "torch_select.py ended, or answered '{}'", line);
  return seconds;
}

}  // namespace decant
