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

using std::chrono::milliseconds;
using testing::HasSubstr;

// A communicator whose messages get lost while it is cut off: both ways, or those that it sends.
class FragileCommunicator : public Communicator {
 public:
  explicit FragileCommunicator(Communicator& inner) : inner_(inner) {}
  void set_cut(bool cut) { mute_ = deaf_ = cut; }
  void set_mute(bool mute) { mute_ = mute; }

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  void Send(int to, std::string bytes) override {
    if (!mute_) inner_.Send(to, std::move(bytes));
  }
  std::optional<Message> Receive(milliseconds timeout) override {
    auto message = inner_.Receive(timeout);
    if (deaf_) message.reset();
    return message;
  }
  void Wake() override { inner_.Wake(); }

 private:
  Communicator& inner_;
  std::atomic<bool> mute_ = false;
  std::atomic<bool> deaf_ = false;
};

// A job of `num_spans` spans whose ranks are threads, and what came of it.
class RunJobTest : public testing::TestWithParam<int> {
 protected:
  RunJobTest() {
    communicators_ = MakeThreadCommunicators(num_ranks_);
    for (int rank = 0; rank < num_ranks_; ++rank) {
      links_.push_back(std::make_unique<FragileCommunicator>(*communicators_[static_cast<size_t>(rank)]));
      workers_.push_back({.set_up = [] { return "same"; },
                          .work = [this](uint64_t span) { return Work(span); },
                          .host = "host" + std::to_string(rank)});
    }
    coordinator_ = {.begin =
                        [this] {
                          return JobPlan{"brief", Spans(0, num_spans_)};
                        },
                    .commit = [this](const std::vector<std::string>& r) { Commit(r); },
                    .complete = [this] { ++num_completed_; },
                    .tick = [this](const JobStatus& status) { Tick(status); }};
  }

  std::string Work(uint64_t span) {
    const std::lock_guard lock(mutex_);
    done_.push_back(span);
    return std::to_string(span);
  }
  static std::vector<uint64_t> Spans(uint64_t begin, uint64_t end) {
    std::vector<uint64_t> spans(end - begin);
    std::iota(spans.begin(), spans.end(), begin);
    return spans;
  }
  void Commit(const std::vector<std::string>& results) {
    EXPECT_FALSE(results.empty());
    for (const std::string& result : results) committed_.push_back(std::stoull(result));
  }
  void Tick(const JobStatus& status) {
    for (const JobEvent& event : status.events) events_.push_back(event.kind);
    status_ = status;
  }

  // Runs the job; the outcome of each rank.
  void Run() {
    outcomes_.assign(workers_.size(), std::nullopt);
    std::vector<std::jthread> ranks;
    for (size_t rank = 0; rank < workers_.size(); ++rank) {
      ranks.emplace_back([&, rank] {
        try {
          RunJob(*links_[rank], workers_[rank], coordinator_, options_);
        } catch (const Error& error) {
          outcomes_[rank] = error;
        }
      });
    }
  }
  void ExpectSuccess(size_t num_ranks) {
    for (size_t rank = 0; rank < num_ranks; ++rank) {
      EXPECT_FALSE(outcomes_[rank]) << "rank " << rank << ": " << outcomes_[rank]->what();
    }
  }
  void ExpectSuccess() { ExpectSuccess(outcomes_.size()); }
  void ExpectFailure(ErrorCode code, const std::string& text) {
    for (size_t rank = 0; rank < outcomes_.size(); ++rank) {
      ASSERT_TRUE(outcomes_[rank]) << "rank " << rank << " succeeded";
      EXPECT_EQ(outcomes_[rank]->code(), code) << "rank " << rank << ": " << outcomes_[rank]->what();
      EXPECT_THAT(outcomes_[rank]->what(), HasSubstr(text)) << "rank " << rank;
    }
    EXPECT_EQ(num_completed_, 0);
  }
  // What was worked on is committed, once.
  void ExpectDoneIsCommitted() {
    std::ranges::sort(done_);
    std::ranges::sort(committed_);
    EXPECT_EQ(done_, committed_);
    EXPECT_EQ(std::set(done_.begin(), done_.end()).size(), done_.size());
  }
  void ExpectAllCommitted() {
    const std::set<uint64_t> committed(committed_.begin(), committed_.end());
    EXPECT_EQ(committed.size(), num_spans_);
    EXPECT_EQ(num_completed_, 1);
    EXPECT_EQ(status_.spans_committed, num_spans_);
    EXPECT_EQ(status_.spans_done, num_spans_);
  }
  size_t last() const { return workers_.size() - 1; }

  const int num_ranks_ = GetParam();
  uint64_t num_spans_ = 40;
  JobOptions options_;
  std::vector<std::unique_ptr<Communicator>> communicators_;
  std::vector<std::unique_ptr<FragileCommunicator>> links_;
  std::vector<WorkerHooks> workers_;
  CoordinatorHooks coordinator_;

  std::mutex mutex_;
  std::vector<uint64_t> done_;  // by any rank
  std::vector<uint64_t> committed_;
  int num_completed_ = 0;
  JobStatus status_;  // the last
  std::vector<std::string> events_;
  std::vector<std::optional<Error>> outcomes_;
};

INSTANTIATE_TEST_SUITE_P(Ranks, RunJobTest, testing::Values(1, 2, 4));

class RunJobOfSeveralTest : public RunJobTest {};
INSTANTIATE_TEST_SUITE_P(Ranks, RunJobOfSeveralTest, testing::Values(2, 4));

TEST_P(RunJobTest, DoesAndCommitsEverySpanOnce) {
  Run();
  ExpectSuccess();
  ExpectDoneIsCommitted();
  EXPECT_EQ(committed_, Spans(0, num_spans_));
  ExpectAllCommitted();
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
  EXPECT_EQ(committed_, Spans(0, 1));
}

TEST_P(RunJobTest, EveryRankWorks) {
  // A rank's first span waits until every rank has one.
  std::latch everyone(num_ranks_);
  std::vector<std::atomic<int>> num_done(workers_.size());
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    workers_[rank].work = [&, rank](uint64_t span) {
      if (num_done[rank]++ == 0) everyone.arrive_and_wait();
      return Work(span);
    };
  }
  Run();
  ExpectSuccess();
  EXPECT_EQ(committed_.size(), 40u);
  for (const RankStatus& rank : status_.ranks) {
    EXPECT_EQ(rank.host, "host" + std::to_string(rank.rank));
    EXPECT_GT(rank.spans_done, 0u);
  }
}

TEST_P(RunJobTest, StagesFollowOneAnother) {
  // open of rank 0, then open and set_up of all, then the coordinator's begin, then everyone's, then work.
  std::atomic<bool> opened = false;
  std::atomic<int> num_set_up = 0;
  std::atomic<bool> begun = false;
  std::vector<std::thread::id> threads(workers_.size());
  std::vector<std::atomic<bool>> told(workers_.size());
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    workers_[rank].open = [&, rank] {
      threads[rank] = std::this_thread::get_id();
      if (rank == 0) std::this_thread::sleep_for(milliseconds(20));
      if (rank != 0) {
        EXPECT_TRUE(opened);
      }
      opened = true;
    };
    workers_[rank].set_up = [&, rank] {
      EXPECT_EQ(threads[rank], std::this_thread::get_id());
      ++num_set_up;
      return "same";
    };
    workers_[rank].begin = [&, rank](const std::string& brief) {
      EXPECT_TRUE(begun);
      EXPECT_EQ(brief, "brief");
      EXPECT_EQ(threads[rank], std::this_thread::get_id());
      told[rank] = true;
    };
    workers_[rank].work = [&, rank](uint64_t span) {
      EXPECT_TRUE(told[rank]);
      EXPECT_EQ(threads[rank], std::this_thread::get_id());
      return Work(span);
    };
  }
  coordinator_.begin = [&] {
    EXPECT_EQ(num_set_up, num_ranks_);
    begun = true;
    return JobPlan{"brief", Spans(0, num_spans_)};
  };
  Run();
  ExpectSuccess();
  ExpectAllCommitted();
}

TEST_P(RunJobTest, SpansArePreparedInTheOrderOfWork) {
  std::vector<std::vector<uint64_t>> prepared(workers_.size());
  std::vector<size_t> num_worked(workers_.size());
  std::mutex mutex;
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    workers_[rank].begin = [](const std::string&) { std::this_thread::sleep_for(milliseconds(5)); };
    workers_[rank].prepare = [&, rank](uint64_t span) {
      const std::lock_guard lock(mutex);
      prepared[rank].push_back(span);
    };
    workers_[rank].work = [&, rank](uint64_t span) {
      const std::lock_guard lock(mutex);
      EXPECT_LT(num_worked[rank], prepared[rank].size());
      EXPECT_EQ(prepared[rank][num_worked[rank]++], span);
      return Work(span);
    };
  }
  Run();
  ExpectSuccess();
  ExpectAllCommitted();
}

TEST_P(RunJobTest, SpansAreDealtWhileOthersAreStillSettled) {
  std::latch all_of_begin(40);
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      if (span < 40) all_of_begin.count_down();
      return Work(span);
    };
  }
  coordinator_.settle = [&] {
    all_of_begin.wait();
    return Spans(40, 50);
  };
  num_spans_ = 40;
  Run();
  ExpectSuccess();
  num_spans_ = 50;
  ExpectAllCommitted();
}

TEST_P(RunJobTest, CommitsInBatches) {
  num_spans_ = 200;
  int num_commits = 0;
  std::latch many(100);
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      if (span < 100) many.count_down();
      return Work(span);
    };
  }
  coordinator_.commit = [&](const std::vector<std::string>& results) {
    if (num_commits++ == 0) many.wait();  // the ranks go on meanwhile
    Commit(results);
  };
  Run();
  ExpectSuccess();
  ExpectAllCommitted();
  EXPECT_LT(num_commits, 150);
}

TEST_P(RunJobOfSeveralTest, ARankThatFailsIsRetiredAndTheOthersGoOn) {
  // Nobody is done before the last one has failed.
  std::latch failed(1);
  for (size_t rank = 0; rank < last(); ++rank) {
    workers_[rank].work = [&](uint64_t span) {
      failed.wait();
      return Work(span);
    };
  }
  workers_[last()].work = [&](uint64_t) -> std::string {
    failed.count_down();
    Fail(ErrorCode::kUnavailable, "the device is gone");
  };
  Run();
  ExpectSuccess();
  ExpectDoneIsCommitted();
  ExpectAllCommitted();
  EXPECT_THAT(events_, testing::Contains("rank_retired"));
  EXPECT_THAT(events_, testing::Contains("span_dealt_again"));
  EXPECT_EQ(status_.ranks[last()].reason, "the device is gone");
}

TEST_P(RunJobTest, AnErrorOfAllRanksReachesAll) {
  for (WorkerHooks& worker : workers_) {
    worker.work = [](uint64_t) -> std::string { Fail(ErrorCode::kExhausted, "disk full"); };
  }
  Run();
  ExpectFailure(ErrorCode::kExhausted, "disk full");
  EXPECT_TRUE(committed_.empty());
}

TEST_P(RunJobTest, AnErrorThatNoOtherRankWouldAvoidEndsTheJob) {
  std::latch failed(1);
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      failed.wait();
      return Work(span);
    };
  }
  workers_[last()].work = [&](uint64_t) -> std::string {
    failed.count_down();
    Fail(ErrorCode::kDataLoss, "the shard is damaged");
  };
  Run();
  ExpectFailure(ErrorCode::kDataLoss, "the shard is damaged");
  ExpectDoneIsCommitted();
}

TEST_P(RunJobTest, AForeignExceptionIsInternal) {
  for (WorkerHooks& worker : workers_) {
    worker.work = [](uint64_t) -> std::string { throw std::out_of_range("vector::at\nframe 1"); };
  }
  Run();
  ExpectFailure(ErrorCode::kInternal, "vector::at");
  EXPECT_EQ(outcomes_[0]->what(), std::string("vector::at"));
  EXPECT_TRUE(committed_.empty());
}

TEST_P(RunJobTest, ARankThatCannotSetUpEndsTheJob) {
  workers_[last()].set_up = []() -> std::string { Fail(ErrorCode::kNotFound, "there is no teacher"); };
  Run();
  ExpectFailure(ErrorCode::kNotFound, "there is no teacher");
  EXPECT_TRUE(done_.empty());
}

TEST_P(RunJobTest, ARankThatCannotOpenEndsTheJob) {
  for (WorkerHooks& worker : workers_) {
    worker.open = [] { Fail(ErrorCode::kNotFound, "there is no dataset"); };
  }
  Run();
  ExpectFailure(ErrorCode::kNotFound, "there is no dataset");
  EXPECT_TRUE(done_.empty());
}

TEST_P(RunJobOfSeveralTest, AnotherIdentityIsMismatchOnAllRanks) {
  workers_[last()].set_up = [] { return "other"; };
  // Also when rank 0 is the last to know its own.
  workers_[0].set_up = [] {
    std::this_thread::sleep_for(milliseconds(30));
    return "same";
  };
  Run();
  ExpectFailure(ErrorCode::kMismatch, "would label something else: expected same, found other");
  EXPECT_TRUE(done_.empty());
}

TEST_P(RunJobTest, AnErrorOfBeginReachesAll) {
  coordinator_.begin = []() -> JobPlan { Fail(ErrorCode::kMismatch, "another job's store"); };
  Run();
  ExpectFailure(ErrorCode::kMismatch, "another job's store");
  EXPECT_TRUE(done_.empty());
}

TEST_P(RunJobTest, AnErrorOfSettleReachesAll) {
  coordinator_.settle = []() -> std::vector<uint64_t> { Fail(ErrorCode::kDataLoss, "staged files are damaged"); };
  num_spans_ = 10000;
  Run();
  ExpectFailure(ErrorCode::kDataLoss, "staged files are damaged");
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

TEST_P(RunJobTest, AnErrorOfTickEndsTheJob) {
  coordinator_.tick = [](const JobStatus&) { Fail(ErrorCode::kInternal, "cannot tell"); };
  Run();
  ExpectFailure(ErrorCode::kInternal, "cannot tell");
}

// Any rank may be asked, not only the first.
TEST_P(RunJobTest, AStopFinishesAndCommitsWhatIsUnderWay) {
  num_spans_ = 10000;
  std::atomic<int> num_started = 0;
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      ++num_started;
      std::this_thread::sleep_for(milliseconds(1));
      return Work(span);
    };
  }
  workers_[last()].stop_requested = [&] { return num_started > 0 ? StopRequest::kFinish : StopRequest::kNone; };
  Run();
  ExpectFailure(ErrorCode::kCancelled, "stopped on request");
  ExpectDoneIsCommitted();
  EXPECT_GE(done_.size(), 1u);
  EXPECT_LT(done_.size(), 10000u);
  EXPECT_EQ(static_cast<size_t>(num_started), done_.size());
  EXPECT_TRUE(status_.stopping);
}

TEST_P(RunJobTest, AStopFromTheStartIsCancelled) {
  for (WorkerHooks& worker : workers_) worker.stop_requested = [] { return StopRequest::kFinish; };
  Run();
  ExpectFailure(ErrorCode::kCancelled, "stopped on request");
  ExpectDoneIsCommitted();
}

// Work that ends only when it is abandoned.
class LongWork {
 public:
  std::string operator()(uint64_t) {
    while (!abandoned_) std::this_thread::sleep_for(milliseconds(1));
    Fail(ErrorCode::kCancelled, "abandoned");
  }
  void Abandon() {
    EXPECT_FALSE(abandoned_) << "told twice";
    abandoned_ = true;
  }

 private:
  std::atomic<bool> abandoned_ = false;
};

TEST_P(RunJobTest, AnUrgentStopAbandonsWhatIsUnderWay) {
  std::vector<LongWork> work(workers_.size());
  std::atomic<int> num_started = 0;
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    workers_[rank].work = [&, rank](uint64_t span) {
      ++num_started;
      return work[rank](span);
    };
    workers_[rank].abandon = [&, rank] { work[rank].Abandon(); };
  }
  // First a polite one, which alone would wait for ever.
  std::atomic<int> num_asked = 0;
  workers_[last()].stop_requested = [&] {
    if (num_started < num_ranks_) return StopRequest::kNone;
    return ++num_asked < 3 ? StopRequest::kFinish : StopRequest::kAbandon;
  };
  Run();
  ExpectFailure(ErrorCode::kCancelled, "stopped on request");
  EXPECT_TRUE(committed_.empty());
}

TEST_P(RunJobTest, TheDeadlineAbandonsWhatIsUnderWay) {
  std::vector<LongWork> work(workers_.size());
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    workers_[rank].work = [&, rank](uint64_t span) { return work[rank](span); };
    workers_[rank].abandon = [&, rank] { work[rank].Abandon(); };
  }
  options_.deadline = std::chrono::steady_clock::now() + milliseconds(300);
  options_.deadline_margin_seconds = 0.1;
  Run();
  ExpectFailure(ErrorCode::kCancelled, "stopped at the deadline");
  EXPECT_LT(std::chrono::steady_clock::now(), *options_.deadline + std::chrono::seconds(5));
}

TEST_P(RunJobTest, NoSpanIsBegunThatWouldMissTheDeadline) {
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      std::this_thread::sleep_for(milliseconds(50));
      return Work(span);
    };
  }
  num_spans_ = 1000;
  options_.deadline = std::chrono::steady_clock::now() + milliseconds(1500);
  options_.deadline_margin_seconds = 1;
  Run();
  ExpectFailure(ErrorCode::kCancelled, "deadline");
  ExpectDoneIsCommitted();
  EXPECT_GT(done_.size(), 0u);
}

TEST_P(RunJobOfSeveralTest, WorkThatLastsTooLongIsDoneElsewhereAndAbandoned) {
  LongWork work;
  std::atomic<int> num_slow = 0;
  for (size_t rank = 0; rank < last(); ++rank) {
    workers_[rank].work = [&](uint64_t span) {
      while (num_slow < 2) std::this_thread::sleep_for(milliseconds(1));
      return Work(span);
    };
  }
  workers_[last()].work = [&](uint64_t span) { return ++num_slow == 1 ? Work(span) : work(span); };
  workers_[last()].abandon = [&] { work.Abandon(); };
  Run();
  ExpectSuccess();
  ExpectAllCommitted();
  EXPECT_THAT(events_, testing::Contains("span_doubled"));
}

TEST_P(RunJobOfSeveralTest, ASilentRankIsGivenUp) {
  options_.silence_seconds = 0.3;
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      std::this_thread::sleep_for(milliseconds(2));
      return Work(span);
    };
  }
  LongWork work;
  workers_[last()].work = [&](uint64_t span) {
    links_[last()]->set_cut(true);
    return work(span);
  };
  workers_[last()].abandon = [&] { work.Abandon(); };
  Run();
  ExpectSuccess(last());
  ExpectAllCommitted();
  EXPECT_THAT(events_, testing::Contains("rank_lost"));
  EXPECT_EQ(status_.ranks[last()].state, RankStatus::kLost);
  // It sees for itself that it is alone.
  ASSERT_TRUE(outcomes_[last()]);
  EXPECT_EQ(outcomes_[last()]->code(), ErrorCode::kCancelled);
  EXPECT_THAT(outcomes_[last()]->what(), HasSubstr("has heard nothing of rank 0"));
}

TEST_P(RunJobOfSeveralTest, ARankThatWasNeverThereIsLeftOut) {
  options_.silence_seconds = options_.start_seconds = 0.3;
  links_[last()]->set_cut(true);
  Run();
  ExpectSuccess(last());
  ExpectAllCommitted();
  EXPECT_EQ(status_.ranks[last()].state, RankStatus::kLost);
  EXPECT_EQ(outcomes_[last()]->code(), ErrorCode::kCancelled);
}

TEST_P(RunJobOfSeveralTest, ARankThatSpeaksAgainIsTakenBack) {
  options_.silence_seconds = 0.5;
  num_spans_ = 400;
  std::atomic<bool> was_lost = false;
  std::atomic<bool> is_back = false;
  std::atomic<int> num_after = 0;
  coordinator_.tick = [&](const JobStatus& status) {
    Tick(status);
    if (status.ranks[last()].state == RankStatus::kLost) was_lost = true;
  };
  for (WorkerHooks& worker : workers_) {
    worker.work = [&](uint64_t span) {
      std::this_thread::sleep_for(milliseconds(was_lost ? 1 : 10));
      while (span == num_spans_ - 1 && num_after == 0) std::this_thread::sleep_for(milliseconds(1));
      return Work(span);
    };
  }
  workers_[last()].work = [&](uint64_t span) {
    if (!was_lost) {
      // It hears the coordinator all the time, and so does not give it up.
      links_[last()]->set_mute(true);
      while (!was_lost) std::this_thread::sleep_for(milliseconds(1));
      links_[last()]->set_mute(false);
    } else {
      ++num_after;
    }
    return Work(span);
  };
  Run();
  ExpectSuccess(last());
  ExpectAllCommitted();
  EXPECT_THAT(events_, testing::Contains("rank_lost"));
  EXPECT_THAT(events_, testing::Contains("rank_back"));
}

TEST_P(RunJobTest, TheNewestStatisticsAreInTheStatus) {
  options_.silence_seconds = 0.5;
  std::atomic<int> num_told = 0;
  for (size_t rank = 0; rank < workers_.size(); ++rank) {
    workers_[rank].statistics = [&, rank] {
      ++num_told;
      return "of " + std::to_string(rank);
    };
    workers_[rank].work = [&](uint64_t span) {
      while (num_told < 4 * num_ranks_) std::this_thread::sleep_for(milliseconds(1));
      return Work(span);
    };
  }
  Run();
  ExpectSuccess();
  for (const RankStatus& rank : status_.ranks) EXPECT_EQ(rank.statistics, "of " + std::to_string(rank.rank));
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
  EXPECT_FALSE(ranks[2]->Receive(milliseconds(0)));
  EXPECT_FALSE(ranks[0]->Receive(milliseconds(1)));
}

TEST(ThreadCommunicatorTest, RanksSendToThemselves) {
  const auto ranks = MakeThreadCommunicators(1);
  ranks[0]->Send(0, "note");
  EXPECT_EQ(ranks[0]->Receive(milliseconds(0))->bytes, "note");
}

TEST(ThreadCommunicatorTest, AWakeEndsTheWait) {
  const auto ranks = MakeThreadCommunicators(1);
  ranks[0]->Wake();
  EXPECT_FALSE(ranks[0]->Receive(std::chrono::seconds(600)));
  std::jthread other([&] { ranks[0]->Wake(); });
  EXPECT_FALSE(ranks[0]->Receive(std::chrono::seconds(600)));
}

}  // namespace
}  // namespace decant
