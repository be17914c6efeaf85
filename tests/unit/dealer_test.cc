#include "dealer.h"

#include <cmath>
#include <numeric>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/simulated_job.h"

namespace decant {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<uint64_t> Spans(uint64_t count) {
  std::vector<uint64_t> spans(count);
  std::iota(spans.begin(), spans.end(), 0);
  return spans;
}

// The same numbers everywhere, which std's distributions do not give.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t Below(uint64_t bound) { return engine_() % bound; }
  double Uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(engine_() >> 11) * 0x1p-53;
  }
  bool Chance(double probability) { return Uniform(0, 1) < probability; }

 private:
  std::mt19937_64 engine_;
};

TEST(SpanTableTest, ASpanIsPendingHeldOrDone) {
  SpanTable table;
  table.Add({4, 2, 9});
  table.Add({2, 5});
  EXPECT_EQ(table.size(), 4u);
  EXPECT_EQ(table.NextPending(), 4u);
  EXPECT_TRUE(table.Hold(4, 0));
  EXPECT_FALSE(table.Hold(4, 0)) << "it has it";
  EXPECT_TRUE(table.Hold(4, 1));
  EXPECT_FALSE(table.Hold(4, 2)) << "two have it";
  EXPECT_EQ(table.num_holders(4), 2);
  EXPECT_EQ(table.NextPending(), 2u);
  EXPECT_EQ(table.num_pending(), 3u);
  EXPECT_EQ(table.num_held(), 1u);
  EXPECT_FALSE(table.Release(4, 0));
  EXPECT_TRUE(table.Release(4, 1)) << "nobody has it";
  EXPECT_EQ(table.NextPending(), 4u) << "the first in line";
  EXPECT_TRUE(table.MarkDone(4));
  EXPECT_FALSE(table.MarkDone(4));
  EXPECT_FALSE(table.Hold(4, 0));
  EXPECT_FALSE(table.Hold(77, 0));
  EXPECT_EQ(table.NextPending(), 2u);
  EXPECT_EQ(table.num_pending(), 3u);
  EXPECT_EQ(table.num_held(), 0u);
  EXPECT_EQ(table.num_done(), 1u);
}

TEST(SpanTableTest, ASpanThatIsDoneStaysSo) {
  SpanTable table;
  table.Add({1});
  table.Hold(1, 0);
  table.Hold(1, 1);
  table.MarkDone(1);
  EXPECT_FALSE(table.Release(1, 0));
  EXPECT_FALSE(table.Release(1, 1));
  EXPECT_EQ(table.NextPending(), std::nullopt);
  EXPECT_EQ(table.num_held() + table.num_pending(), 0u);
}

TEST(SpanTableTest, KnowsWhoFailed) {
  SpanTable table;
  table.Add({1});
  EXPECT_FALSE(table.MarkFailed(1, 3));
  EXPECT_FALSE(table.MarkFailed(1, 3));
  EXPECT_TRUE(table.MarkFailed(1, 0));
  EXPECT_FALSE(table.MarkFailed(2, 0)) << "there is no such span";
}

// The definition: the end of the span that is the `pending`-th to end when all work without a pause.
double EndOfSpan(const std::vector<Server>& servers, uint64_t pending) {
  std::vector<double> ends;
  for (const Server& server : servers) {
    for (uint64_t i = 1; i <= pending; ++i) {
      ends.push_back(server.free_at + static_cast<double>(i) * server.span_seconds);
    }
  }
  std::ranges::sort(ends);
  return ends[pending - 1];
}

TEST(EarliestFinishTest, IsTheBestMakespan) {
  EXPECT_NEAR(EarliestFinish(std::vector<Server>{{5, 1}}, 3, 5), 8, 1e-6);
  EXPECT_NEAR(EarliestFinish(std::vector<Server>{{5, 1}, {5, 10}}, 3, 5), 8, 1e-6);
  EXPECT_NEAR(EarliestFinish(std::vector<Server>{{5, 1}, {6, 1}}, 2, 5), 7, 1e-6);
  EXPECT_EQ(EarliestFinish(std::vector<Server>{{5, 1}}, 0, 5), 5);
}

TEST(EarliestFinishTest, EqualsTheSearchThroughAllEnds) {
  Random random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<Server> servers(1 + random.Below(9));
    for (Server& server : servers) {
      server = {random.Uniform(100, 105), std::pow(10, random.Uniform(-2, 1))};
    }
    const uint64_t pending = 1 + random.Below(60);
    EXPECT_NEAR(EarliestFinish(servers, pending, 100), EndOfSpan(servers, pending), 1e-5);
  }
}

std::vector<uint64_t> SpansOf(const std::vector<Dealer::Deal>& deals) {
  std::vector<uint64_t> spans;
  for (const Dealer::Deal& deal : deals) spans.push_back(deal.span);
  return spans;
}

TEST(DealerTest, WhoeverReturnsKeepsWhatNobodyTook) {
  Dealer dealer(3);
  dealer.Add(Spans(8));
  for (const int worker : {0, 1, 2}) dealer.Join(worker, 0);
  EXPECT_THAT(SpansOf(dealer.DealToAll(0)), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(dealer.Leave(0), ElementsAre(0, 3));
  dealer.OnDone(1, 1, 1, 1);
  EXPECT_THAT(SpansOf(dealer.DealTo(1, 1)), ElementsAre(0));
  dealer.Join(0, 2);
  EXPECT_EQ(dealer.spans().num_held(), 4u);
  EXPECT_EQ(dealer.spans().num_holders(0), 2);
  EXPECT_EQ(dealer.spans().num_holders(3), 1);
  EXPECT_THAT(dealer.DealTo(0, 2), IsEmpty()) << "it is busy with two";
  EXPECT_EQ(dealer.OnDone(0, 0, 1, 3), true);
  EXPECT_EQ(dealer.OnDone(0, 0, 1, 3), false);
  EXPECT_EQ(dealer.OnDone(0, 99, 1, 3), std::nullopt);
}

TEST(DealerTest, NobodyIsToldTwiceToWorkOnASpan) {
  Dealer dealer(3);
  dealer.Add({7, 8, 9});
  dealer.Join(0, 0);
  EXPECT_THAT(SpansOf(dealer.DealTo(0, 0)), ElementsAre(7, 8));
  dealer.OnDone(0, 8, 1, 1);
  dealer.Leave(0);
  // Two others have span 7 when the first returns, and are lost.
  dealer.Join(1, 1);
  EXPECT_THAT(SpansOf(dealer.DealTo(1, 1)), ElementsAre(7));
  EXPECT_THAT(SpansOf(dealer.DealTo(1, 1.9)), ElementsAre(9));
  dealer.Join(2, 2);
  EXPECT_THAT(SpansOf(dealer.DealCopies(30)), ElementsAre(9));
  dealer.OnDone(2, 9, 1, 31);
  EXPECT_THAT(SpansOf(dealer.DealCopies(60)), ElementsAre(7));
  dealer.Join(0, 61);
  for (const int worker : {1, 2}) dealer.Leave(worker);
  EXPECT_EQ(dealer.spans().num_pending(), 1u);
  EXPECT_THAT(SpansOf(dealer.DealTo(0, 62)), IsEmpty());
  EXPECT_EQ(dealer.spans().num_pending(), 0u) << "it has it";
}

TEST(DealerTest, TheFastestTakesACopyOfWhatLastsLongest) {
  Dealer dealer(4);
  for (int worker = 0; worker < 4; ++worker) dealer.Join(worker, 0);
  dealer.Add(Spans(4));
  dealer.DealToAll(0);
  for (const int worker : {0, 1, 2, 3}) dealer.OnDone(worker, static_cast<uint64_t>(worker), 1 + worker, 5);
  dealer.Add({10, 11});
  EXPECT_EQ(dealer.DealTo(3, 5).size() + dealer.DealTo(2, 5).size(), 0u) << "the first two are faster";
  EXPECT_THAT(SpansOf(dealer.DealTo(0, 5)), ElementsAre(10));
  EXPECT_THAT(dealer.DealTo(0, 5.5), IsEmpty()) << "there is time to think about the last";
  EXPECT_THAT(SpansOf(dealer.DealTo(0, 5.8)), ElementsAre(11));
  EXPECT_THAT(dealer.DealCopies(5.8), IsEmpty());
  // Worker 0 hangs: its second span is the one that will end last.
  const std::vector<Dealer::Deal> copies = dealer.DealCopies(20);
  ASSERT_EQ(copies.size(), 2u);
  EXPECT_EQ(copies[0].worker, 1);
  EXPECT_EQ(copies[0].span, 11u);
  EXPECT_EQ(copies[1].worker, 2);
  EXPECT_EQ(copies[1].span, 10u);
  EXPECT_THAT(dealer.DealCopies(100), IsEmpty()) << "two are enough";
}

CoordinatorOptions FastOptions() {
  return {.silence_seconds = 5, .start_seconds = 10};
}

// Ranks of these speeds are busy nearly all the time.
TEST(SimulatedJobTest, RanksOfDifferentSpeedsAreBusyToTheEnd) {
  const std::vector<double> speeds = {1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 4};
  for (const double noise : {0.0, 0.1}) {
    SimulatedJob job(8, FastOptions());
    Random random(2);
    for (size_t rank = 0; rank < 8; ++rank) {
      job.ranks[rank].span_seconds = [&, speed = speeds[rank]](uint64_t, double) {
        return random.Uniform(1 - noise, 1 + noise) / speed;
      };
    }
    job.spans = Spans(400);
    ASSERT_TRUE(job.Run());
    EXPECT_GE(job.busy_seconds() / (8 * job.done_time), 0.97) << "noise " << noise;
    EXPECT_EQ(job.num_first.size(), 400u);
    if (noise == 0) {
      EXPECT_EQ(job.events["span_doubled"], 0);
    }
  }
}

TEST(SimulatedJobTest, NobodyWaitsLongForAStraggler) {
  SimulatedJob job(4, FastOptions());
  job.ranks[2].span_seconds = [](uint64_t, double now) { return now < 20 ? 1.0 : 1e4; };
  job.spans = Spans(400);
  ASSERT_TRUE(job.Run());
  EXPECT_EQ(job.num_first.size(), 400u);
  EXPECT_LT(job.done_time, 20 + 320 / 3.0 + 6);
  EXPECT_GT(job.events["span_doubled"], 0);
}

TEST(SimulatedJobTest, ADeadRankCostsItsSilenceAtMost) {
  SimulatedJob job(4, FastOptions());
  job.ranks[3].dies = 95;
  job.spans = Spans(400);
  ASSERT_TRUE(job.Run());
  EXPECT_EQ(job.num_first.size(), 400u);
  EXPECT_LT(job.done_time, 100 + 5 + 4);
  EXPECT_EQ(job.events["rank_lost"], 1);
}

TEST(SimulatedJobTest, HundredsOfRanksAreBusyToTheEnd) {
  SimulatedJob job(300, {.silence_seconds = 1000});
  job.spans = Spans(4500);
  Random random(3);
  for (SimulatedRank& rank : job.ranks) {
    rank.span_seconds = [seconds = random.Uniform(20, 100)](uint64_t, double) { return seconds; };
  }
  ASSERT_TRUE(job.Run());
  EXPECT_EQ(job.num_first.size(), 4500u);
  EXPECT_GE(job.busy_seconds() / (300 * job.done_time), 0.95);
}

std::string Describe(SimulatedJob& job) {
  const JobStatus status = job.coordinator.Status(job.now);
  std::string text = fmt::format("\n{} done, {} committed, {} assigned, {} left, stopping {}", status.spans_done,
                                 status.spans_committed, status.spans_assigned, status.spans_left, status.stopping);
  for (const RankStatus& rank : status.ranks) {
    text += fmt::format("\nrank {}: state {}, {} done, {} s a span, silent {} s, holds {}", rank.rank,
                        static_cast<int>(rank.state), rank.spans_done, rank.span_seconds, rank.silent_seconds,
                        job.ranks[static_cast<size_t>(rank.rank)].held.size());
  }
  return text;
}

// Whatever happens to whom and when, every span is counted once, and the job ends.
class RandomScheduleTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Kinds, RandomScheduleTest, testing::Range(0, 8));

TEST_P(RandomScheduleTest, NothingIsLostOrCountedTwice) {
  std::map<std::string, int> events;
  for (uint64_t seed = 0; seed < 250; ++seed) {
    Random random(1000 * static_cast<uint64_t>(GetParam()) + seed);
    const auto num_ranks = static_cast<int>(1 + random.Below(6));
    CoordinatorOptions options = FastOptions();
    const bool has_deadline = random.Chance(0.1);
    if (has_deadline) options.deadline = random.Uniform(1, 60);
    SimulatedJob job(num_ranks, options);
    job.delay = random.Chance(0.5) ? 0.001 : random.Uniform(0, 0.5);
    job.limit = 10000;
    job.spans = Spans(random.Below(80));
    for (uint64_t i = random.Below(10); i > 0; --i) job.settled.push_back(1000 + i);
    for (int i = 0; i < num_ranks; ++i) {
      SimulatedRank& rank = job.ranks[static_cast<size_t>(i)];
      const double base = random.Uniform(0.1, 3);
      const double noise = random.Chance(0.5) ? random.Uniform(0, 0.9) : 0;
      const double slow_from = random.Chance(0.1) ? random.Uniform(0, 40) : INFINITY;
      rank.span_seconds = [&random, base, noise, slow_from](uint64_t, double now) {
        return base * random.Uniform(1 - noise, 1 + noise) * (now > slow_from ? 15 : 1);
      };
      if (i == 0) continue;
      if (random.Chance(0.3)) rank.dies = random.Uniform(0, 40);
      if (random.Chance(0.3)) {
        rank.freezes = random.Uniform(0, 40);
        rank.thaws = rank.freezes + random.Uniform(0, 20);
      }
      if (random.Chance(0.1)) rank.fails[random.Below(80)] = ErrorCode::kUnavailable;
    }
    ASSERT_TRUE(job.Run()) << "seed " << seed << ": it never ends" << Describe(job);
    const std::string text = testing::PrintToString(seed) + ": " + job.coordinator.text();
    for (const auto& [span, count] : job.num_first) ASSERT_EQ(count, 1) << "span " << span << ", seed " << text;
    for (const SimulatedRank& rank : job.ranks) ASSERT_LE(rank.most_held, 2u) << "seed " << text;
    for (const auto& [kind, count] : job.events) events[kind] += count;
    if (has_deadline && job.coordinator.code() != kNoError) {
      ASSERT_EQ(job.coordinator.code(), static_cast<int32_t>(ErrorCode::kCancelled)) << text;
      ASSERT_LE(job.done_time, *options.deadline + job.delay) << text;
      continue;
    }
    ASSERT_EQ(job.coordinator.code(), kNoError) << text;
    ASSERT_EQ(job.num_first.size(), job.spans.size() + job.settled.size()) << text;
  }
  // All of it was tried.
  for (const char* kind : {"rank_lost", "rank_back", "rank_retired", "span_dealt_again", "span_doubled", "stopping"}) {
    EXPECT_GT(events[kind], 0) << kind;
  }
}

}  // namespace
}  // namespace decant
