#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace decant {

// What the launcher of this process (mpirun, srun, none) and Slurm tell of it, read from the environment.

// Ranks of the job on this host, itself included.
uint32_t LocalSize();

// The processors that the operating system lets this process use.
struct Cores {
  uint32_t allowed = 1;  // of the process
  uint32_t of_rank =
      1;  // of these, this rank's share: what --cpus-per-task says, or an equal part where ranks share them
  uint32_t of_host = 1;
};
Cores AllowedCores();

// A line for the user when the ranks were started in a way that cannot be meant: by srun without PMIx, so that each
// is a job of its own (`fatal`), or bound by mpirun to fewer cores than there are.
struct LaunchHint {
  bool fatal = false;
  std::string text;
};
std::optional<LaunchHint> HintOfLaunch(const Cores& cores);

// Time until Slurm ends this job; nullopt without a limit, outside of a job, and when squeue does not answer in
// `patience`. Starts a process: call it before MPI is initialised, or seldom.
std::optional<std::chrono::seconds> SlurmSecondsLeft(std::chrono::milliseconds patience = std::chrono::seconds(5));

// squeue's %L: "1-02:03:04", "02:03:04", "03:04", "04"; nullopt for "UNLIMITED", "INVALID", "NOT_SET" and anything
// else.
std::optional<std::chrono::seconds> ParseSlurmTime(std::string_view text);
// The number of a node in "2(x3),1": SLURM_STEP_TASKS_PER_NODE. nullopt when the list is shorter or is none.
std::optional<uint32_t> TasksOfNode(std::string_view list, uint32_t node);

}  // namespace decant
