#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/cluster/sbatch.h"

#include "command.h"
#include "console.h"
#include "labelling.h"
#include "subprocess.h"

namespace decant {
namespace {

constexpr uint32_t kMostParts = 100'000;

struct Options {
  SbatchOptions sbatch;
  std::string launcher = "srun";
  std::string array;
  bool dry_run = false;
  bool json = false;
};

// "decant" where that is what PATH finds, else where this program is.
std::string ProgramName() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "decant";
  std::string_view path = std::getenv("PATH") ? std::getenv("PATH") : "";
  while (!path.empty()) {
    const std::string_view folder = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(path.size(), folder.size() + 1));
    const std::filesystem::path candidate = std::filesystem::path(folder) / "decant";
    if (::access(candidate.c_str(), X_OK) != 0) continue;
    return std::filesystem::equivalent(candidate, self, error) ? "decant" : self.string();
  }
  return self;
}

// What the job and its log are called: the job file's name, of letters that mean nothing to Slurm and the shell.
std::string NameOf(const std::string& job_file) {
  std::string name = std::filesystem::path(job_file).stem();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_') c = '-';
  }
  return name.empty() ? "decant" : name;
}

// "100", or "100%10": parts, and how many of them at once.
void ParseArray(const std::string& text, SbatchOptions* options) {
  uint32_t parts = 0;
  uint32_t at_once = 0;
  const char* const end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, parts);
  const bool throttled = result.ec == std::errc() && result.ptr != end && *result.ptr == '%';
  if (throttled) result = std::from_chars(result.ptr + 1, end, at_once);
  if (result.ec != std::errc() || result.ptr != end || parts < 1 || parts > kMostParts || (throttled && at_once < 1)) {
    Fail(ErrorCode::kInvalidArgument, "--array is '{}', but must be a number of parts, 1 to {}, or PARTS%MOST-AT-ONCE",
         text, kMostParts);
  }
  options->num_parts = parts;
  options->parts_at_once = at_once;
}

// Hands a script to sbatch and returns the job's number.
std::string Sbatch(const std::string& script, const std::vector<std::string>& more) {
  if (!ProgramExists("sbatch")) {
    Fail(ErrorCode::kUnavailable,
         "there is no sbatch here; submit on a login node, or take the script of --dry-run there");
  }
  std::string file = std::filesystem::temp_directory_path() / "decant-XXXXXX";
  const int descriptor = ::mkstemp(file.data());
  if (descriptor < 0) FailErrno(errno, "create", file);
  ::close(descriptor);
  std::vector<std::string> argv = {"sbatch", "--parsable"};
  argv.insert(argv.end(), more.begin(), more.end());
  argv.push_back(file);
  std::string output;
  try {
    ReplaceFile(file, script);
    output = Subprocess(argv).Finish();
  } catch (...) {
    ::unlink(file.c_str());
    throw;
  }
  ::unlink(file.c_str());
  // "123", or "123;cluster".
  return output.substr(0, output.find_first_of(";\n"));
}

int Submit(Options options, const std::vector<std::string>& overrides) {
  SbatchOptions& sbatch = options.sbatch;
  sbatch.launcher = options.launcher == "mpirun" ? SbatchOptions::Launcher::kMpirun : SbatchOptions::Launcher::kSrun;
  sbatch.program = ProgramName();
  sbatch.overrides = overrides;
  // Reading the job here finds its mistakes before it waits in a queue.
  sbatch.store = ReadLabellingJob(sbatch.job_file, overrides).labels.store;
  if (sbatch.name.empty()) sbatch.name = NameOf(sbatch.job_file);
  if (!options.array.empty()) ParseArray(options.array, &sbatch);
  const std::string script = RenderSbatch(sbatch);
  const bool merges = sbatch.num_parts > 0;
  const std::string merge_script = merges ? RenderMergeSbatch(sbatch) : "";
  if (options.dry_run) {
    fmt::print("{}", script);
    if (merges)
      fmt::print("\n# When the array has ended, sbatch --dependency=afterany:JOB gets this one:\n{}", merge_script);
    return 0;
  }
  const std::string job = Sbatch(script, {});
  std::string merge_job;
  if (merges) {
    try {
      merge_job = Sbatch(merge_script, {"--dependency=afterany:" + job});
    } catch (const Error& error) {
      Fail(error.code(), "job {} was submitted, but not the one that merges its parts: {}", job, error.what());
    }
  }
  if (options.json) {
    const nlohmann::ordered_json object = {{"job", job}, {"merge_job", merge_job}, {"store", sbatch.store}};
    fmt::print("{}\n", object.dump(2));
  } else {
    fmt::print("{}\n", job);
    if (merges) fmt::print(stderr, "job {} merges the parts when job {} has ended\n", merge_job, job);
  }
  return 0;
}

}  // namespace

Command AddSubmit(CLI::App& program) {
  CLI::App* app = program.add_subcommand("submit", "Submits a labelling job to Slurm");
  const auto options = std::make_shared<Options>();
  SbatchOptions& sbatch = options->sbatch;
  sbatch.name.clear();
  app->add_option("job", sbatch.job_file, "The job file (TOML)")->required();
  app->add_option("--launcher", options->launcher, "What starts the ranks")
      ->capture_default_str()
      ->check(CLI::IsMember({"srun", "mpirun"}));
  app->add_option("--nodes", sbatch.nodes, "Nodes, N or MIN-MAX")->capture_default_str();
  app->add_option("--tasks-per-node", sbatch.tasks_per_node, "Ranks of a node")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app->add_option("--cpus-per-task", sbatch.cpus_per_task, "Cores of a rank; else what the cluster gives")
      ->check(CLI::Range(1, 4096));
  app->add_option("--gpus-per-node", sbatch.gpus_per_node, "GPUs of a node, N or TYPE:N");
  app->add_option("--time", sbatch.time, "Time limit, as sbatch takes it; else the cluster's");
  app->add_option("--array", options->array,
                  "Independent jobs instead of one, each with a part of the spans: PARTS, or PARTS%MOST-AT-ONCE");
  app->add_option("--name", sbatch.name, "Name of the job and its log; else that of the job file");
  app->add_option("--signal-seconds", sbatch.signal_seconds, "How long before the time limit ranks are asked to stop")
      ->capture_default_str()
      ->check(CLI::Range(10, 65535));
  app->add_option("--max-restarts", sbatch.max_restarts, "How often the job puts itself into the queue again")
      ->capture_default_str();
  app->add_option("--produce", sbatch.produce, "An option of decant produce, such as --produce=--lease=60; repeatable")
      ->allow_extra_args(false);
  app->add_option("--sbatch", sbatch.sbatch, "Another option of sbatch, such as --sbatch=--account=abc; repeatable")
      ->allow_extra_args(false);
  app->add_option("--setup", sbatch.setup,
                  "A line of shell before anything else, such as 'module load cuda'; repeatable")
      ->allow_extra_args(false);
  app->add_flag("--dry-run", options->dry_run, "Print the script, submit nothing");
  app->add_flag("--json", options->json, "Print one JSON object");
  app->allow_extras();
  app->footer("Every key of the job file can also be given as --section.key=value. Keys: docs/job.md");
  return {app, [app, options] { return Submit(*options, app->remaining()); }};
}

}  // namespace decant
