// Runs one case of the battery on this rank: cluster_conformance CASE FOLDER. Every rank that passes says so.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

#include "mpi/job_battery.h"

namespace {

using namespace decant;

void Freeze(double seconds) {
  const int pid = ::getpid();
  const std::string thaw = fmt::format("(sleep {}; kill -CONT {}) >/dev/null 2>&1 &", seconds, pid);
  if (std::system(thaw.c_str()) != 0) std::abort();
  ::kill(pid, SIGSTOP);
}

void Die() {
  ::kill(::getpid(), SIGKILL);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  for (const JobCase& one : JobCases()) {
    if (one.name != argv[1]) continue;
    std::unique_ptr<Communicator> communicator = MakeMpiCommunicator(std::chrono::seconds(60));
    const int rank = communicator->rank();
    JobPlace place = {.communicator = *communicator, .folder = argv[2], .freeze = Freeze, .die = Die};
    int code = 0;
    try {
      one.body(place);
      fmt::print("rank {}: passed\n", rank);
    } catch (const std::exception& exception) {
      fmt::print("rank {}: {}\n", rank, exception.what());
      code = 1;
    }
    std::fflush(stdout);
    communicator.reset();
    fmt::print("rank {}: ended\n", rank);
    std::fflush(stdout);
    if (one.num_dead > 0) ::_exit(code);
    return code;
  }
  return 2;
}
