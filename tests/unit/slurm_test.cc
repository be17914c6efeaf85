#include "decant/cluster/slurm.h"

#include <cstdlib>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>

#include "unit/temporary_directory.h"

namespace decant {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

// Sets what launchers set, and nothing else of theirs, until the end of the test.
class Environment {
 public:
  explicit Environment(const Variables& variables = {}) {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_MCA_orte_bound_at_launch",
                             "PMIX_RANK", "PMI_SIZE", "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS",
                             "SLURM_STEP_TASKS_PER_NODE", "SLURM_NODEID", "SLURM_CPUS_PER_TASK", "SLURM_CPU_BIND_TYPE",
                             "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "PATH"}) {
      const char* value = std::getenv(name);
      if (value) before_[name] = value;
      if (std::string(name) != "PATH") ::unsetenv(name);
      names_.push_back(name);
    }
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const std::string& name : names_) ::unsetenv(name.c_str());
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::string> before_;
};

// Whatever stands in for squeue on this machine.
class FakeSqueue {
 public:
  explicit FakeSqueue(const std::string& body) {
    std::ofstream(folder_.File("squeue")) << "#!/bin/bash\n" << body << "\n";
    ::chmod(folder_.File("squeue").c_str(), 0755);
  }
  std::string path() const { return folder_.path() + ":" + std::getenv("PATH"); }

 private:
  TemporaryDirectory folder_;
};

TEST(SlurmTest, ParsesTimes) {
  EXPECT_EQ(ParseSlurmTime("1-02:03:04\n"), seconds(93784));
  EXPECT_EQ(ParseSlurmTime("23:59:59"), seconds(86399));
  EXPECT_EQ(ParseSlurmTime("2:03"), seconds(123));
  EXPECT_EQ(ParseSlurmTime("0"), seconds(0));
  for (const char* text : {"", "UNLIMITED", "INVALID", "NOT_SET", "1-", "-1:00", "1-2", "1:2:3:4", "1::2", "12:3x",
                           "1-02:03", "99999999999999999999:00", "1 2"}) {
    EXPECT_EQ(ParseSlurmTime(text), std::nullopt) << text;
  }
}

TEST(SlurmTest, FindsTheTasksOfANode) {
  EXPECT_EQ(TasksOfNode("4", 0), 4u);
  EXPECT_EQ(TasksOfNode("2(x3),1", 2), 2u);
  EXPECT_EQ(TasksOfNode("2(x3),1", 3), 1u);
  EXPECT_EQ(TasksOfNode("2(x3),1", 4), std::nullopt);
  for (const char* text : {"", "x", "2(x", "2(xy)", "(x2)", ","}) EXPECT_EQ(TasksOfNode(text, 0), std::nullopt) << text;
}

TEST(SlurmTest, KnowsItsNeighbours) {
  {
    const Environment alone;
    EXPECT_EQ(LocalSize(), 1u);
  }
  {
    const Environment srun({{"SLURM_STEP_ID", "0"}, {"SLURM_NODEID", "1"}, {"SLURM_STEP_TASKS_PER_NODE", "3,5"}});
    EXPECT_EQ(LocalSize(), 5u);
  }
  {
    // In a batch script, mpirun's ranks inherit what is true of the script.
    const Environment mpirun({{"OMPI_COMM_WORLD_SIZE", "8"},
                              {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                              {"SLURM_STEP_ID", "0"},
                              {"SLURM_NODEID", "0"},
                              {"SLURM_STEP_TASKS_PER_NODE", "1"}});
    EXPECT_EQ(LocalSize(), 2u);
  }
}

TEST(SlurmTest, DividesCoresAmongRanks) {
  cpu_set_t set;
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  const auto count = static_cast<uint32_t>(CPU_COUNT(&set));
  {
    const Environment alone;
    EXPECT_EQ(AllowedCores().allowed, count);
    EXPECT_EQ(AllowedCores().of_rank, count);
  }
  {
    const Environment two({{"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
    EXPECT_EQ(AllowedCores().of_rank, std::max(1u, count / 2));
  }
  {
    const Environment many({{"OMPI_COMM_WORLD_SIZE", "1000"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "1000"}});
    EXPECT_EQ(AllowedCores().of_rank, 1u);
  }
  {
    const Environment given(Variables{{"SLURM_CPUS_PER_TASK", "1"}});
    EXPECT_EQ(AllowedCores().of_rank, 1u);
  }
  {
    const Environment bound(
        {{"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}, {"OMPI_MCA_orte_bound_at_launch", "1"}});
    EXPECT_EQ(AllowedCores().of_rank, count);
  }
}

TEST(SlurmTest, TellsOfRanksThatWereStartedWrongly) {
  const Cores one_of_many = {.allowed = 1, .of_rank = 1, .of_host = 16};
  {
    const Environment srun({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}});
    const auto hint = HintOfLaunch(one_of_many);
    ASSERT_TRUE(hint);
    EXPECT_TRUE(hint->fatal);
    EXPECT_THAT(hint->text, HasSubstr("srun --mpi=pmix"));
  }
  {
    const Environment pmix({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"PMIX_RANK", "0"}});
    EXPECT_FALSE(HintOfLaunch(one_of_many));
  }
  {
    const Environment batch_script({{"SLURM_JOB_ID", "7"}, {"SLURM_STEP_NUM_TASKS", "4"}});
    EXPECT_FALSE(HintOfLaunch(one_of_many));
  }
  {
    const Environment bound({{"OMPI_COMM_WORLD_SIZE", "2"},
                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                             {"OMPI_MCA_orte_bound_at_launch", "1"},
                             {"PMIX_RANK", "0"}});
    const auto hint = HintOfLaunch(one_of_many);
    ASSERT_TRUE(hint);
    EXPECT_FALSE(hint->fatal);
    EXPECT_THAT(hint->text, HasSubstr("1 of 16 cores of its host; mpirun --bind-to none"));
    EXPECT_FALSE(HintOfLaunch({.allowed = 8, .of_rank = 8, .of_host = 16}));
  }
}

TEST(SlurmTest, AsksHowMuchTimeIsLeft) {
  const FakeSqueue squeue("[ \"$*\" = '-h -j 12 -o %L' ] && echo 1:05");
  const FakeSqueue of_array("[ \"$*\" = '-h -j 10_3 -o %L' ] && echo 2:00:00");
  const FakeSqueue failing("echo 1:05; exit 1");
  const FakeSqueue hanging("exec sleep 60");
  {
    const Environment no_job(Variables{{"PATH", squeue.path()}});
    EXPECT_EQ(SlurmSecondsLeft(), std::nullopt);
  }
  {
    const Environment job({{"PATH", squeue.path()}, {"SLURM_JOB_ID", "12"}});
    EXPECT_EQ(SlurmSecondsLeft(), seconds(65));
  }
  {
    const Environment job({{"PATH", of_array.path()},
                           {"SLURM_JOB_ID", "12"},
                           {"SLURM_ARRAY_JOB_ID", "10"},
                           {"SLURM_ARRAY_TASK_ID", "3"}});
    EXPECT_EQ(SlurmSecondsLeft(), seconds(7200));
  }
  {
    const Environment job({{"PATH", failing.path()}, {"SLURM_JOB_ID", "12"}});
    EXPECT_EQ(SlurmSecondsLeft(), std::nullopt);
  }
  {
    const Environment job({{"PATH", hanging.path()}, {"SLURM_JOB_ID", "12"}});
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(SlurmSecondsLeft(std::chrono::milliseconds(200)), std::nullopt);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(20));
  }
  {
    const Environment no_slurm({{"PATH", "/nowhere"}, {"SLURM_JOB_ID", "12"}});
    EXPECT_EQ(SlurmSecondsLeft(), std::nullopt);
  }
}

}  // namespace
}  // namespace decant
