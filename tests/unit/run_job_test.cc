#include "decant/cluster/run_job.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decant {
namespace {

// Forwards to a communicator, and lets a test wait until its first message is out.
class WatchedCommunicator : public Communicator {
 public:
  WatchedCommunicator(Communicator& inner, std::latch& sent) : inner_(inner), sent_(sent) {}
  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  void Send(int to, std::string bytes) override {
    inner_.Send(to, std::move(bytes));
    if (!has_sent_) sent_.count_down();
    has_sent_ = true;
  }
  std::optional<Message> Receive(std::chrono::milliseconds timeout) override { return inner_.Receive(timeout); }

 private:
  Communicator& inner_;
  std::latch& sent_;
  bool has_sent_ = false;
};

// A job of `num_spans` spans whose ranks are threads, and what came of it.
class RunJobTest : public testing::TestWithParam<int> {
 protected:
  RunJobTest() {
    for (int rank = 0; rank < num_ranks_; ++rank) {
      workers_.push_back({.identity = "same", .work = [this](uint64_t span) { return Work(span); }});
    }
    coordinator_ = {.begin = [this] { return Begin(); },
                    .commit = [this](const std::vector<std::string>& r) { Commit(r); },
                    .complete = [this] { ++num_completed_; },
                    .stop_requested = [] { return false; },
                    .tick = [this] { ++num_ticks_; }};
  }

  std::string Work(uint64_t span) {
    const std::lock_guard lock(mutex_);
    done_.push_back(span);
    return std::to_string(span);
  }
  std::vector<uint64_t> Begin() const {
    std::vector<uint64_t> spans(num_spans_);
    std::iota(spans.begin(), spans.end(), 0);
    return spans;
  }
  void Commit(const std::vector<std::string>& results) {
    EXPECT_FALSE(results.empty());
    for (const std::string& result : results) committed_.push_back(std::stoull(result));
  }

  // Runs the job; the outcome of each rank.
  void Run() {
    const auto communicators = MakeThreadCommunicators(num_ranks_);
    outcomes_.assign(static_cast<size_t>(num_ranks_), std::nullopt);
    std::vector<std::jthread> ranks;
    for (size_t rank = 0; rank < communicators.size(); ++rank) {
      ranks.emplace_back([&, rank] {
        WatchedCommunicator communicator(*communicators[rank], sent_[rank]);
        try {
          RunJob(communicator, workers_[rank], coordinator_);
        } catch (const Error& error) {
          outcomes_[rank] = error;
        }
      });
    }
  }
  void ExpectSuccess() {
    for (const auto& outcome : outcomes_) {
      EXPECT_FALSE(outcome) << outcome->what();
    }
  }
  void ExpectFailure(ErrorCode code, const std::string& text) {
    for (size_t rank = 0; rank < outcomes_.size(); ++rank) {
      ASSERT_TRUE(outcomes_[rank]) << "rank " << rank << " succeeded";
      EXPECT_EQ(outcomes_[rank]->code(), code) << "rank " << rank;
      EXPECT_THAT(outcomes_[rank]->what(), testing::HasSubstr(text)) << "rank " << rank;
    }
    EXPECT_EQ(num_completed_, 0);
  }
  // What was worked on is committed, once.
  void ExpectDoneIsCommitted() {
    std::sort(done_.begin(), done_.end());
    std::sort(committed_.begin(), committed_.end());
    EXPECT_EQ(done_, committed_);
    EXPECT_EQ(std::set(done_.begin(), done_.end()).size(), done_.size());
  }

  const int num_ranks_ = GetParam();
  uint64_t num_spans_ = 40;
  std::vector<WorkerHooks> workers_;
  CoordinatorHooks coordinator_;
  std::latch sent_[4] = {std::latch(1), std::latch(1), std::latch(1), std::latch(1)};

  std::mutex mutex_;
  std::vector<uint64_t> done_;  // by any rank
  std::vector<uint64_t> committed_;
  int num_completed_ = 0;
  int num_ticks_ = 0;
  std::vector<std::optional<Error>> outcomes_;
};

INSTANTIATE_TEST_SUITE_P(Ranks, RunJobTest, testing::Values(1, 2, 4));

class RunJobOfSeveralTest : public RunJobTest {};
INSTANTIATE_TEST_SUITE_P(Ranks, RunJobOfSeveralTest, testing::Values(2, 4));

TEST_P(RunJobTest, DoesAndCommitsEverySpanOnce) {
  Run();
  ExpectSuccess();
  ExpectDoneIsCommitted();
  EXPECT_EQ(committed_, Begin());
  EXPECT_EQ(num_completed_, 1);
  EXPECT_GT(num_ticks_, 0);
}

TEST_P(RunJobTest, NothingToDoIsComplete) {
  num_spans_ = 0;
  Run();
  ExpectSuccess();
  EXPECT_EQ(num_completed_, 1);
  EXPECT_TRUE(committed_.empty());
}

TEST_P(RunJobTest, FewerSpansThanRanksAreDone) {
  num_spans_ = 1;
  Run();
  ExpectSuccess();
  EXPECT_EQ(committed_, Begin());
}

TEST_P(RunJobTest, EveryRankWorks) {
  // A rank's first span waits until every rank has one.
  std::latch everyone(num_ranks_);
  std::vector<std::atomic<int>> num_done(static_cast<size_t>(num_ranks_));
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    workers_[rank].work = [&, rank](uint64_t span) {
      if (num_done[rank]++ == 0) everyone.arrive_and_wait();
      return Work(span);
    };
  }
  Run();
  ExpectSuccess();
  EXPECT_EQ(committed_.size(), 40u);
}

TEST_P(RunJobTest, AnErrorOfOneRankReachesAll) {
  // The last rank fails on its first span; the others wait with theirs until then.
  std::latch failed(1);
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      failed.wait();
      return Work(span);
    };
  }
  workers_.back().work = [&](uint64_t) -> std::string {
    failed.count_down();
    Fail(ErrorCode::kUnavailable, "the device is gone");
  };
  Run();
  ExpectFailure(ErrorCode::kUnavailable, "the device is gone");
  ExpectDoneIsCommitted();
}

TEST_P(RunJobTest, AForeignExceptionIsInternal) {
  for (WorkerHooks& worker : workers_) {
    worker.work = [](uint64_t) -> std::string { throw std::out_of_range("vector::at"); };
  }
  Run();
  ExpectFailure(ErrorCode::kInternal, "vector::at");
  EXPECT_TRUE(committed_.empty());
}

TEST_P(RunJobTest, ARankThatCannotWorkEndsTheJob) {
  const size_t last = workers_.size() - 1;
  workers_[last].failure = Error(ErrorCode::kNotFound, "there is no teacher");
  for (size_t rank = 0; rank < last; ++rank) {
    workers_[rank].work = [&, last](uint64_t span) {
      sent_[last].wait();
      return Work(span);
    };
  }
  Run();
  ExpectFailure(ErrorCode::kNotFound, "there is no teacher");
  ExpectDoneIsCommitted();
}

TEST_P(RunJobOfSeveralTest, AnotherIdentityIsMismatchOnAllRanks) {
  const size_t last = workers_.size() - 1;
  workers_[last].identity = "other";
  for (WorkerHooks& worker : workers_) {
    worker.work = [&, last](uint64_t span) {
      sent_[last].wait();
      return Work(span);
    };
  }
  Run();
  ExpectFailure(ErrorCode::kMismatch, "expected same, found other");
  ExpectDoneIsCommitted();
}

TEST_P(RunJobTest, AnErrorOfBeginReachesAll) {
  coordinator_.begin = []() -> std::vector<uint64_t> { Fail(ErrorCode::kMismatch, "another job's store"); };
  Run();
  ExpectFailure(ErrorCode::kMismatch, "another job's store");
  EXPECT_TRUE(done_.empty());
}

TEST_P(RunJobTest, AnErrorOfCommitReachesAll) {
  int num_commits = 0;
  coordinator_.commit = [&](const std::vector<std::string>&) {
    ++num_commits;
    Fail(ErrorCode::kExhausted, "disk full");
  };
  Run();
  ExpectFailure(ErrorCode::kExhausted, "disk full");
  EXPECT_EQ(num_commits, 1) << "not tried again";
}

TEST_P(RunJobTest, AnErrorOfCompleteReachesAll) {
  coordinator_.complete = [] { Fail(ErrorCode::kDataLoss, "cannot seal"); };
  Run();
  ExpectFailure(ErrorCode::kDataLoss, "cannot seal");
  EXPECT_EQ(committed_.size(), 40u);
}

TEST_P(RunJobTest, StopCancelsAndCommitsWhatIsFinished) {
  num_spans_ = 10000;
  std::atomic<int> num_started = 0;
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      ++num_started;
      return Work(span);
    };
  }
  coordinator_.stop_requested = [&] { return num_started > 0; };
  Run();
  ExpectFailure(ErrorCode::kCancelled, "stopped on request");
  ExpectDoneIsCommitted();
  EXPECT_GE(done_.size(), 1u);
  EXPECT_LT(done_.size(), 10000u);
}

TEST_P(RunJobTest, StopFromTheStartIsCancelled) {
  coordinator_.stop_requested = [] { return true; };
  Run();
  ExpectFailure(ErrorCode::kCancelled, "stopped on request");
  ExpectDoneIsCommitted();
}

TEST(ThreadCommunicatorTest, MessagesBetweenTwoRanksArriveInOrder) {
  const auto ranks = MakeThreadCommunicators(3);
  EXPECT_EQ(ranks[2]->rank(), 2);
  EXPECT_EQ(ranks[2]->size(), 3);
  std::jthread sender([&] {
    for (int i = 0; i < 1000; ++i) ranks[1]->Send(2, std::to_string(i));
  });
  for (int i = 0; i < 1000; ++i) {
    const auto message = ranks[2]->Receive(std::chrono::seconds(60));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->from, 1);
    EXPECT_EQ(message->bytes, std::to_string(i));
  }
  EXPECT_FALSE(ranks[2]->Receive(std::chrono::milliseconds(0)));
  EXPECT_FALSE(ranks[0]->Receive(std::chrono::milliseconds(1)));
}

TEST(ThreadCommunicatorTest, RanksSendToThemselves) {
  const auto ranks = MakeThreadCommunicators(1);
  ranks[0]->Send(0, "note");
  EXPECT_EQ(ranks[0]->Receive(std::chrono::milliseconds(0))->bytes, "note");
}

}  // namespace
}  // namespace decant
