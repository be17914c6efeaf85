#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace decant {

// A labelling job as Slurm gets it.
struct SbatchOptions {
  enum class Launcher { kSrun, kMpirun };

  std::string program = "decant";
  std::string job_file;
  std::vector<std::string> overrides;  // "--section.key=value"
  std::vector<std::string> produce;    // options of produce: "--lease=60"
  std::string store;                   // labels.store of the job
  std::string name = "decant";         // the job's, and how its log is called: letters, digits, ".", "_", "-"

  Launcher launcher = Launcher::kSrun;
  std::string nodes = "1";  // "2", or "2-4"
  uint32_t tasks_per_node = 1;
  uint32_t cpus_per_task = 0;       // 0: what the cluster gives
  std::string gpus_per_node;        // "4", "a100:4"; empty: none
  std::string time;                 // as sbatch takes it; empty: the cluster's default
  uint32_t num_parts = 0;           // above 0: an array of so many jobs, each with a part and a store of its own
  uint32_t parts_at_once = 0;       // of these, at most; 0: all
  uint32_t signal_seconds = 300;    // before the time limit, ranks are asked to stop
  uint32_t max_restarts = 20;       // requeues
  std::vector<std::string> sbatch;  // further options of sbatch, verbatim: "--account=abc"
  std::vector<std::string> setup;   // lines of shell before anything is run: "module load cuda"
};

// `text` as one word of a POSIX shell.
std::string ShellQuote(const std::string& text);

// The batch script that labels (docs/cluster.md explains it). kInvalidArgument for options that cannot stand in one.
std::string RenderSbatch(const SbatchOptions& options);
// The one that merges the parts of an array, to be run when all of its jobs have ended.
std::string RenderMergeSbatch(const SbatchOptions& options);

}  // namespace decant
