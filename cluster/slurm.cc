#include "decant/cluster/slurm.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decant/base/error.h"

extern char** environ;

namespace decant {
namespace {

template <typename Int>
std::optional<Int> ParseNumber(std::string_view text) {
  Int number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view Variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<uint32_t> NumberOf(const char* name) {
  return ParseNumber<uint32_t>(Variable(name));
}

bool UnderMpirun() {
  return NumberOf("OMPI_COMM_WORLD_SIZE").has_value();
}

uint32_t AffinityCount() {
  // A set for up to 64 k processors: the kernel refuses one that is smaller than its own.
  constexpr int kProcessors = 1 << 16;
  std::vector<cpu_set_t> set(CPU_ALLOC_SIZE(kProcessors) / sizeof(cpu_set_t) + 1);
  const size_t bytes = set.size() * sizeof(cpu_set_t);
  if (::sched_getaffinity(0, bytes, set.data()) != 0) return 1;
  return static_cast<uint32_t>(std::max(1, CPU_COUNT_S(bytes, set.data())));
}

// What a program writes to stdout; nullopt when it cannot be started, fails, or takes longer than `patience`.
std::optional<std::string> OutputOf(std::vector<std::string> argv, std::chrono::milliseconds patience) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  std::vector<char*> arguments;
  for (std::string& argument : argv) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  const int started = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string output;
  bool ended = false;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (started == 0 && !ended) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting = {ends[0], POLLIN, 0};
    if (left.count() <= 0 || (::poll(&waiting, 1, static_cast<int>(left.count())) < 0 && errno != EINTR)) break;
    if (waiting.revents == 0) continue;
    char buffer[4096];
    const ssize_t size = ::read(ends[0], buffer, sizeof buffer);
    ended = size == 0;
    if (size > 0) output.append(buffer, static_cast<size_t>(size));
  }
  ::close(ends[0]);
  if (started != 0) return std::nullopt;
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return output;
}

}  // namespace

std::optional<uint32_t> TasksOfNode(std::string_view list, uint32_t node) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    uint32_t times = 1;
    if (const size_t open = item.find("(x"); open != item.npos && item.ends_with(')')) {
      const auto number = ParseNumber<uint32_t>(item.substr(open + 2, item.size() - open - 3));
      if (!number) return std::nullopt;
      times = *number;
      item = item.substr(0, open);
    }
    if (node < times) return ParseNumber<uint32_t>(item);
    node -= times;
  }
  return std::nullopt;
}

uint32_t LocalSize() {
  // mpirun inside a Slurm job inherits the batch step's variables, which tell nothing of its ranks.
  if (UnderMpirun()) return std::max(1u, NumberOf("OMPI_COMM_WORLD_LOCAL_SIZE").value_or(1));
  const auto node = NumberOf("SLURM_NODEID");
  if (!node || !NumberOf("SLURM_STEP_ID")) return 1;
  return std::max(1u, TasksOfNode(Variable("SLURM_STEP_TASKS_PER_NODE"), *node).value_or(1));
}

Cores AllowedCores() {
  Cores cores;
  cores.allowed = AffinityCount();
  cores.of_host =
      std::max<uint32_t>(cores.allowed, static_cast<uint32_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))));
  const bool bound = Variable("OMPI_MCA_orte_bound_at_launch") == "1" ||
                     (!UnderMpirun() && Variable("SLURM_CPU_BIND_TYPE").starts_with("mask_cpu"));
  if (const auto given = NumberOf("SLURM_CPUS_PER_TASK"); given && *given > 0) {
    cores.of_rank = std::min(*given, cores.allowed);
  } else if (bound) {
    cores.of_rank = cores.allowed;
  } else {
    cores.of_rank = std::max(1u, cores.allowed / LocalSize());
  }
  return cores;
}

std::optional<LaunchHint> HintOfLaunch(const Cores& cores) {
  const bool has_mpi = UnderMpirun() || !Variable("PMIX_RANK").empty() || !Variable("PMI_SIZE").empty();
  const uint32_t tasks = NumberOf("SLURM_STEP_ID") ? NumberOf("SLURM_STEP_NUM_TASKS").value_or(1) : 1;
  if (!has_mpi && tasks > 1) {
    return LaunchHint{true,
                      fmt::format("srun started {} processes that do not know of each other, so that each would be a "
                                  "job of its own; start them with srun --mpi=pmix",
                                  tasks)};
  }
  const bool bound = Variable("OMPI_MCA_orte_bound_at_launch") == "1";
  if (bound && uint64_t{cores.allowed} * LocalSize() < cores.of_host) {
    return LaunchHint{
        false, fmt::format("mpirun bound each rank to {} of {} cores of its host; mpirun --bind-to none lets them "
                           "use all",
                           cores.allowed, cores.of_host)};
  }
  return std::nullopt;
}

std::optional<std::chrono::seconds> ParseSlurmTime(std::string_view text) {
  constexpr int64_t kMost = 100'000'000;  // three years
  while (!text.empty() && std::strchr(" \t\r\n", text.back())) text.remove_suffix(1);
  int64_t days = 0;
  const size_t dash = text.find('-');
  if (dash != text.npos) {
    const auto number = ParseNumber<int64_t>(text.substr(0, dash));
    if (!number || *number < 0 || *number > kMost) return std::nullopt;
    days = *number;
    text.remove_prefix(dash + 1);
  }
  int64_t seconds = 0;
  int fields = 0;
  for (bool more = true; more; ++fields) {
    const size_t colon = text.find(':');
    more = colon != text.npos;
    const auto number = ParseNumber<int64_t>(text.substr(0, colon));
    if (!number || *number < 0 || *number > kMost || fields == 3) return std::nullopt;
    seconds = seconds * 60 + *number;
    if (more) text.remove_prefix(colon + 1);
  }
  if (dash != text.npos && fields != 3) return std::nullopt;
  return std::chrono::seconds(days * 86400 + seconds);
}

std::optional<std::chrono::seconds> SlurmSecondsLeft(std::chrono::milliseconds patience) {
  const std::string job(Variable("SLURM_JOB_ID"));
  if (!ParseNumber<uint64_t>(job)) return std::nullopt;
  // Of an array, squeue would list every job that the number of its last one stands for.
  const std::string array(Variable("SLURM_ARRAY_JOB_ID"));
  const std::string task(Variable("SLURM_ARRAY_TASK_ID"));
  const bool in_array = ParseNumber<uint64_t>(array) && ParseNumber<uint64_t>(task);
  const auto output = OutputOf({"squeue", "-h", "-j", in_array ? array + "_" + task : job, "-o", "%L"}, patience);
  return output ? ParseSlurmTime(*output) : std::nullopt;
}

}  // namespace decant
