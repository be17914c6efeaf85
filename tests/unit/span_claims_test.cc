#include "decant/store/span_claims.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decant/base/file.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

class SpanClaimsTest : public testing::Test {
 protected:
  size_t NumFiles() const {
    if (!fs::exists(GuestsPath(path_))) return 0;
    return static_cast<size_t>(std::distance(fs::directory_iterator(GuestsPath(path_)), fs::directory_iterator()));
  }
  // What a process does that dies without a word.
  template <typename Work>
  static void InAProcessThatDies(const Work& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      work();
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  // A claimant of another machine, which writes a sign of life when told to.
  void WriteForeignSign(int beat, double seconds) const {
    WriteFileAtomically(
        GuestsPath(path_) + "/claimant-far-1-1-0",
        fmt::format(R"({{"host": "far", "pid": 1, "machine": "x", "started": "1", "seconds": {}, "beat": {}}})",
                    seconds, beat));
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.File("labels.decant");
};

TEST_F(SpanClaimsTest, AGroupHasOneClaimant) {
  SpanClaims first(path_, 30), second(path_, 30);
  EXPECT_NE(first.name(), second.name());
  EXPECT_TRUE(first.Claim(7));
  EXPECT_TRUE(first.Claim(7));
  EXPECT_FALSE(second.Claim(7));
  EXPECT_TRUE(second.Claim(8));
  EXPECT_EQ(second.ClaimedByOthers(), (std::vector<uint64_t>{7}));
  first.Release(8);  // not its own
  EXPECT_FALSE(first.Claim(8));
  first.Release(7);
  EXPECT_TRUE(second.Claim(7));
}

TEST_F(SpanClaimsTest, WhatIsGivenUpIsFreeAndTheFolderGoes) {
  {
    SpanClaims second(path_, 30);
    {
      SpanClaims first(path_, 30);
      for (uint64_t group = 0; group < 5; ++group) EXPECT_TRUE(first.Claim(group));
    }
    EXPECT_TRUE(second.ClaimedByOthers().empty());
    EXPECT_TRUE(second.Claim(3));
  }
  EXPECT_FALSE(fs::exists(GuestsPath(path_)));
}

TEST_F(SpanClaimsTest, OneOfManyThreadsGetsAGroup) {
  constexpr int kNumThreads = 8, kNumGroups = 50;
  std::atomic<int> num_claimed = 0;
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<SpanClaims>> claims;
  for (int i = 0; i < kNumThreads; ++i) claims.push_back(std::make_unique<SpanClaims>(path_, 30));
  for (int i = 0; i < kNumThreads; ++i) {
    threads.emplace_back([&, i] {
      for (uint64_t group = 0; group < kNumGroups; ++group) num_claimed += claims[i]->Claim(group);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_claimed, kNumGroups);
}

TEST_F(SpanClaimsTest, TheDeadLoseTheirClaimsAtOnce) {
  CreateDirectories(GuestsPath(path_));
  InAProcessThatDies([this] {
    auto* claims = new SpanClaims(path_, 3600);
    claims->Claim(1);
    claims->Claim(2);
    WriteFileAtomically(fmt::format("{}/span-000001-{}.sst.partial", GuestsPath(path_), claims->name()), "half a file");
  });
  EXPECT_EQ(NumFiles(), 4u);
  SpanClaims claims(path_, 30);
  EXPECT_TRUE(claims.Claim(1));
  EXPECT_TRUE(claims.ClaimedByOthers().empty());
  EXPECT_EQ(NumFiles(), 2u);  // one claim, one claimant
}

TEST_F(SpanClaimsTest, TheSilentLoseTheirClaimsInTheirTime) {
  SpanClaims claims(path_, 30);
  WriteFileAtomically(GuestsPath(path_) + "/claim-000004", "far-1-1-0");
  WriteForeignSign(1, 0.5);
  for (int beat = 2; beat < 8; ++beat) {
    EXPECT_FALSE(claims.Claim(4)) << "it lives";
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    WriteForeignSign(beat, 0.5);
  }
  EXPECT_EQ(claims.ClaimedByOthers(), (std::vector<uint64_t>{4}));
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  EXPECT_TRUE(claims.Claim(4));
}

TEST_F(SpanClaimsTest, RanksClaimInTheNameOfTheirJob) {
  auto job = std::make_unique<SpanClaims>(path_, 30, SpanClaims::Job{});
  SpanClaims rank(path_, job->name()), guest(path_, 30);
  EXPECT_TRUE(rank.Claim(0));
  EXPECT_TRUE(job->Claim(0));
  EXPECT_FALSE(guest.Claim(0));
  EXPECT_TRUE(guest.HasJob());
  EXPECT_TRUE(guest.Claim(1));
  // The next job is the store's writer, so this one is not any more.
  SpanClaims next(path_, 30, SpanClaims::Job{});
  EXPECT_TRUE(next.Claim(0));
  EXPECT_FALSE(next.Claim(1));
  job.reset();
  EXPECT_TRUE(next.Claim(0));
  EXPECT_TRUE(guest.HasJob());
}

TEST_F(SpanClaimsTest, WhereNothingCanBeWrittenEverybodyMayLabel) {
  SpanClaims claims(path_, 30);
  fs::remove_all(GuestsPath(path_));
  WriteFileAtomically(GuestsPath(path_), "in the way");
  EXPECT_TRUE(claims.Claim(0));
  EXPECT_TRUE(claims.ClaimedByOthers().empty());
}

TEST_F(SpanClaimsTest, ATimeThatCannotWorkIsRefused) {
  EXPECT_THAT([&] { SpanClaims claims(path_, 0); }, FailsWith(ErrorCode::kInvalidArgument, "lease of 0 seconds"));
}

TEST_F(SpanClaimsTest, AWriterAdoptsWhatGuestsFinished) {
  const Schema schema = SmallSchema();
  StoreWriter writer(path_, schema);
  const SpanClaims claims(path_, 30);
  const SpanFolders folders = {.staging = GuestsPath(path_), .scratch = ""};
  WriteSpan(schema, folders, 1, claims.name());
  WriteFileAtomically(GuestsPath(path_) + "/span-000002-x.sst", "not a span file");
  EXPECT_EQ(FinishedSpans(path_), (std::set<uint64_t>{1, 2}));
  EXPECT_EQ(writer.Adopt(), (std::vector<uint64_t>{1}));
  EXPECT_TRUE(FinishedSpans(path_).empty());
  EXPECT_EQ(writer.num_committed(), 1u);
  // A second time, with the same labels: dropped.
  WriteSpan(schema, folders, 1, claims.name());
  EXPECT_TRUE(writer.Adopt().empty());
  EXPECT_TRUE(FinishedSpans(path_).empty());
}

}  // namespace
}  // namespace decant
