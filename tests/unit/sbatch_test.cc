#include "decant/cluster/sbatch.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/errors.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

using testing::HasSubstr;
using testing::Not;

SbatchOptions Small() {
  return {.job_file = "labels.toml", .store = "labels.decant", .name = "labels"};
}

std::string OutputOf(const std::string& command) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string output;
  std::array<char, 4096> buffer;
  while (const size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
    output.append(buffer.data(), size);
  return output;
}

// What bash, and shellcheck where it is installed, find wrong with a script.
std::string Complaints(const std::string& script) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("script.sh");
  std::ofstream(path) << script;
  return OutputOf("bash -n " + path +
                  " 2>&1; if command -v shellcheck >/dev/null; then shellcheck -S warning -s bash " + path +
                  " 2>&1; fi");
}

TEST(SbatchTest, SrunScriptHasWhatSlurmNeeds) {
  SbatchOptions options = Small();
  options.nodes = "2";
  options.tasks_per_node = 4;
  options.cpus_per_task = 8;
  options.gpus_per_node = "a100:4";
  options.time = "1-12:00:00";
  options.sbatch = {"--account=abc", "-p gpu"};
  options.setup = {"module load cuda"};
  const std::string script = RenderSbatch(options);
  for (const char* line :
       {"#!/bin/bash", "#SBATCH --job-name=labels", "#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=4",
        "#SBATCH --cpus-per-task=8", "#SBATCH --gpus-per-node=a100:4", "#SBATCH --time=1-12:00:00",
        "#SBATCH --output=labels-%j.out", "#SBATCH --open-mode=append", "#SBATCH --requeue", "#SBATCH --no-kill",
        "#SBATCH --signal=B:USR1@300", "#SBATCH --account=abc", "#SBATCH -p gpu", "module load cuda",
        "job=$SLURM_JOB_ID", "max_restarts=20"}) {
    EXPECT_THAT(script, HasSubstr(std::string(line) + "\n"));
  }
  EXPECT_THAT(script, HasSubstr("srun --mpi=pmix --no-kill --kill-on-bad-exit=0 "));
  EXPECT_THAT(script, HasSubstr("--ntasks=\"$((nodes * 4))\" --cpus-per-task=8 "));
  EXPECT_THAT(script, HasSubstr("decant produce labels.toml &\n"));
  EXPECT_EQ(Complaints(script), "");
  // Slurm reads its options up to the first command.
  EXPECT_LT(script.rfind("#SBATCH"), script.find("module load"));
}

TEST(SbatchTest, MpirunScriptBindsNothingAndSurvivesRanks) {
  SbatchOptions options = Small();
  options.launcher = SbatchOptions::Launcher::kMpirun;
  options.nodes = "2-4";
  const std::string script = RenderSbatch(options);
  EXPECT_THAT(script, HasSubstr("mpirun --bind-to none --enable-recovery --mca oob_tcp_keepalive_time "));
  EXPECT_THAT(script, Not(HasSubstr("--mpi=pmix")));
  EXPECT_EQ(Complaints(script), "");
}

TEST(SbatchTest, ArrayLabelsPartsAndMergesThem) {
  SbatchOptions options = Small();
  options.num_parts = 8;
  options.parts_at_once = 3;
  options.sbatch = {"--account=abc"};
  const std::string script = RenderSbatch(options);
  for (const char* text :
       {"#SBATCH --array=0-7%3\n", "#SBATCH --output=labels-%A_%a.out\n",
        "store=labels.decant.parts/$SLURM_ARRAY_TASK_ID-of-8\n", "--partition \"$SLURM_ARRAY_TASK_ID/8\"",
        "job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\n"}) {
    EXPECT_THAT(script, HasSubstr(text));
  }
  EXPECT_EQ(Complaints(script), "");
  const std::string merge = RenderMergeSbatch(options);
  for (const char* text :
       {"#SBATCH --account=abc\n", "parts=8\n", "merge \"$store\" \"$store.parts/\"*\"-of-$parts\""}) {
    EXPECT_THAT(merge, HasSubstr(text));
  }
  EXPECT_EQ(Complaints(merge), "");
}

TEST(SbatchTest, OneNodeNeedsNoGuard) {
  SbatchOptions options = Small();
  EXPECT_THAT(RenderSbatch(options), Not(HasSubstr("guard")));
  options.nodes = "2";
  EXPECT_THAT(RenderSbatch(options), HasSubstr("then guard; fi\n"));
}

TEST(SbatchTest, QuotesWhateverTheShellWouldTakeApart) {
  for (const std::string text :
       {"", "plain", "a b", "it's", "$(rm -rf x)", "`x`", "a\"b\\c", "--views.fill=[1, 2]", "*?~!#&;|<>(){}", "é"}) {
    EXPECT_EQ(OutputOf("printf %s " + ShellQuote(text)), text);
  }
  SbatchOptions options = Small();
  options.job_file = "my job's.toml";
  options.store = "$HOME/a b";
  options.produce = {"--metrics=a b"};
  options.overrides = {"--teacher.mean=[0.5, 0.5]", "--data.split=$(date)"};
  const std::string script = RenderSbatch(options);
  EXPECT_THAT(script, HasSubstr("store='$HOME/a b'\n"));
  EXPECT_THAT(
      script,
      HasSubstr("produce 'my job'\\''s.toml' '--metrics=a b' '--teacher.mean=[0.5, 0.5]' '--data.split=$(date)' &\n"));
  EXPECT_EQ(Complaints(script), "");
}

TEST(SbatchTest, RefusesWhatWouldBecomeAnotherLine) {
  const auto rendering = [](auto change) {
    SbatchOptions options = Small();
    change(&options);
    return [options] { RenderSbatch(options); };
  };
  const auto kInvalid = ErrorCode::kInvalidArgument;
  EXPECT_THAT(rendering([](auto* o) { o->nodes = "2\nrm"; }), FailsWith(kInvalid, "--nodes"));
  EXPECT_THAT(rendering([](auto* o) { o->time = "1:00 x"; }), FailsWith(kInvalid, "--time"));
  EXPECT_THAT(rendering([](auto* o) { o->gpus_per_node = "4;x"; }), FailsWith(kInvalid, "--gpus-per-node"));
  EXPECT_THAT(rendering([](auto* o) { o->name = "a b"; }), FailsWith(kInvalid, "name"));
  EXPECT_THAT(rendering([](auto* o) { o->sbatch = {"account"}; }), FailsWith(kInvalid, "--sbatch"));
  EXPECT_THAT(rendering([](auto* o) { o->sbatch = {"-A x\nrm"}; }), FailsWith(kInvalid, "one line"));
  EXPECT_THAT(rendering([](auto* o) { o->setup = {"a\nb"}; }), FailsWith(kInvalid, "--setup"));
  EXPECT_THAT(rendering([](auto* o) { o->overrides = {"--a.b=c\nd"}; }), FailsWith(kInvalid, "one line"));
  EXPECT_THAT(rendering([](auto* o) { o->store = "a\nb"; }), FailsWith(kInvalid, "store"));
}

}  // namespace
}  // namespace decant
