#include "coordinator.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "unit/errors.h"

namespace decant {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<uint64_t> Spans(uint64_t count) {
  std::vector<uint64_t> spans(count);
  std::iota(spans.begin(), spans.end(), 0);
  return spans;
}

// A coordinator of which a test sees every message, at times that it chooses.
class CoordinatorTest : public testing::Test {
 protected:
  void Make(int num_workers, const CoordinatorOptions& options = {.silence_seconds = 10, .start_seconds = 100}) {
    num_workers_ = num_workers;
    coordinator_.emplace(num_workers, options, now_);
  }
  void Say(int worker, JobMessage message) { coordinator_->OnMessage(worker, std::move(message), now_); }
  void Ready(int worker, const std::string& identity = "id") {
    Say(worker, {.kind = MessageKind::kHello, .text = "host"});
    Say(worker, {.kind = MessageKind::kReady, .text = identity});
  }
  void Done(int worker, uint64_t span, double seconds = 1) {
    Say(worker, {.kind = MessageKind::kDone, .span = span, .seconds = seconds, .text = std::to_string(span)});
  }
  void FailOn(int worker, uint64_t span, ErrorCode code, const std::string& text) {
    Say(worker, {.kind = MessageKind::kFailed, .span = span, .code = static_cast<int32_t>(code), .text = text});
  }
  // All workers are ready, and the job has begun.
  void Begin(uint64_t num_spans) {
    for (int worker = 0; worker < num_workers_; ++worker) Ready(worker);
    ASSERT_TRUE(coordinator_->may_begin());
    coordinator_->Begin({"brief", Spans(num_spans)}, now_);
    coordinator_->Settle({}, now_);
  }
  // Goes on in small steps; those in `speaking` are heard of meanwhile.
  void Wait(double seconds, const std::vector<int>& speaking) {
    for (const double end = now_ + seconds; now_ < end;) {
      now_ += 0.1;
      for (const int worker : speaking) Say(worker, {.kind = MessageKind::kAlive});
      coordinator_->OnTime(now_);
    }
  }
  // The messages of a kind since the last time, and forgets the others.
  std::vector<Coordinator::Outgoing> Take(MessageKind kind) {
    std::vector<Coordinator::Outgoing> messages = coordinator_->TakeOutgoing();
    std::erase_if(messages, [&](const auto& outgoing) { return outgoing.message.kind != kind; });
    return messages;
  }
  // worker, span
  std::vector<std::pair<int, uint64_t>> TakeDeals() {
    std::vector<std::pair<int, uint64_t>> deals;
    for (const auto& [worker, message] : Take(MessageKind::kAssign)) deals.emplace_back(worker, message.span);
    return deals;
  }
  std::vector<std::string> TakeEvents() {
    std::vector<std::string> kinds;
    for (const JobEvent& event : coordinator_->TakeEvents()) kinds.push_back(event.kind);
    return kinds;
  }
  void ExpectStops(std::vector<int> workers, StopRequest request) {
    std::vector<int> stopped;
    for (const auto& [worker, message] : Take(MessageKind::kStop)) {
      stopped.push_back(worker);
      EXPECT_EQ(message.code, coordinator_->code());
      EXPECT_EQ(message.text, coordinator_->text());
      EXPECT_EQ(message.request, request);
    }
    EXPECT_EQ(stopped, workers);
    EXPECT_TRUE(coordinator_->stopped());
  }
  void ExpectOutcome(ErrorCode code, const std::string& text) {
    EXPECT_EQ(coordinator_->code(), static_cast<int32_t>(code));
    EXPECT_THAT(coordinator_->text(), HasSubstr(text));
  }
  RankStatus StatusOf(int worker) { return coordinator_->Status(now_).ranks[static_cast<size_t>(worker)]; }

  double now_ = 1000;
  int num_workers_ = 0;
  std::optional<Coordinator> coordinator_;
};

TEST_F(CoordinatorTest, OthersOpenWhenTheFirstHas) {
  Make(3);
  Say(1, {.kind = MessageKind::kHello});
  EXPECT_THAT(Take(MessageKind::kOpen), IsEmpty());
  Say(0, {.kind = MessageKind::kOpened});
  const auto messages = Take(MessageKind::kOpen);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].worker, 1);
  EXPECT_EQ(messages[1].worker, 2);
  Say(1, {.kind = MessageKind::kOpened});
  EXPECT_THAT(Take(MessageKind::kOpen), IsEmpty()) << "once is enough";
}

TEST_F(CoordinatorTest, DealsInOrderWithOneInReserve) {
  Make(2);
  Begin(10);
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 0), std::pair(1, 1), std::pair(0, 2), std::pair(1, 3)));
  now_ += 1;
  Done(1, 1);
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(1, 4)));
  Done(0, 0);
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 5)));
}

TEST_F(CoordinatorTest, TheBriefComesBeforeTheFirstSpan) {
  Make(1);
  Begin(1);
  const auto messages = coordinator_->TakeOutgoing();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].message.kind, MessageKind::kBegin);
  EXPECT_EQ(messages[0].message.text, "brief");
  EXPECT_EQ(messages[1].message.kind, MessageKind::kAssign);
}

TEST_F(CoordinatorTest, LastSpansAreNotHoarded) {
  Make(2);
  Begin(3);
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 0), std::pair(1, 1)));
}

// Four spans are left: the fast worker, at 1 s each, is done with all of them before the slow one, at 10 s, with one.
TEST_F(CoordinatorTest, TheSlowGetNoneOfTheLast) {
  Make(2);
  Begin(6);
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 0), std::pair(1, 1), std::pair(0, 2), std::pair(1, 3)));
  Make(2);
  Begin(20);
  TakeDeals();
  std::vector<uint64_t> of_slow = {1, 3};
  uint64_t next = 0;
  now_ += 1;
  Done(0, next, 1);
  std::vector<std::pair<int, uint64_t>> queue = {{0, 2}};
  for (int second = 1; second <= 30 && !queue.empty(); ++second) {
    for (const auto& deal : TakeDeals()) {
      if (deal.first == 0) queue.push_back(deal);
      if (deal.first == 1) of_slow.push_back(deal.second);
    }
    now_ += 1;
    coordinator_->OnTime(now_);
    if (second == 9) Done(1, 1, 10);
    const uint64_t span = queue.front().second;
    queue.erase(queue.begin());
    Done(0, span, 1);
    for (const auto& deal : TakeDeals()) {
      if (deal.first == 0) queue.push_back(deal);
      if (deal.first == 1) of_slow.push_back(deal.second);
    }
  }
  EXPECT_THAT(of_slow, ElementsAre(1, 3));
}

TEST_F(CoordinatorTest, HandsOutEachResultOnce) {
  Make(1);
  Begin(1);
  Done(0, 0);
  const auto results = coordinator_->TakeResults();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].bytes, "0");
  EXPECT_TRUE(results[0].is_first);
  EXPECT_THAT(coordinator_->TakeResults(), IsEmpty());
  EXPECT_FALSE(coordinator_->all_committed());
  coordinator_->OnCommitted(1, 0.1);
  EXPECT_TRUE(coordinator_->all_committed());
}

TEST_F(CoordinatorTest, IsNotDoneBeforeItIsSettled) {
  Make(1);
  Ready(0);
  coordinator_->Begin({"", {}}, now_);
  EXPECT_FALSE(coordinator_->all_committed());
  coordinator_->Settle({7}, now_);
  EXPECT_FALSE(coordinator_->all_committed());
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 7)));
}

TEST_F(CoordinatorTest, BeginsWhenAllAreReadyAndAgree) {
  Make(3);
  Ready(2, "other");
  EXPECT_FALSE(coordinator_->stopped()) << "the first rank's is not known yet";
  Ready(1);
  EXPECT_FALSE(coordinator_->may_begin());
  Ready(0);
  EXPECT_FALSE(coordinator_->may_begin());
  ExpectOutcome(ErrorCode::kMismatch,
                "rank 2 would label something else: expected id, found other; do all ranks see the same job, dataset, "
                "teacher and version of decant, on the same type of processor?");
  ExpectStops({0, 1, 2}, StopRequest::kAbandon);
}

TEST_F(CoordinatorTest, AFailureBeforeTheBeginEndsTheJob) {
  Make(2);
  Ready(0);
  FailOn(1, kNoSpan, ErrorCode::kUnavailable, "no device");
  ExpectOutcome(ErrorCode::kUnavailable, "no device");
  ExpectStops({0, 1}, StopRequest::kAbandon);
}

TEST_F(CoordinatorTest, ASilentWorkersSpansAreDealtAgainFirst) {
  Make(3);
  Begin(20);
  TakeDeals();
  Wait(11, {0, 2});
  EXPECT_THAT(TakeEvents(), ElementsAre("rank_lost", "span_dealt_again", "span_dealt_again"));
  EXPECT_EQ(StatusOf(1).state, RankStatus::kLost);
  EXPECT_THAT(StatusOf(1).reason, HasSubstr("rank 1 (host) was not heard of for 10 s"));
  TakeDeals();
  Done(0, 0);
  Done(2, 2);
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 1), std::pair(2, 4)));
}

TEST_F(CoordinatorTest, WhoeverSpeaksAgainIsTakenBack) {
  Make(2);
  Begin(20);
  TakeDeals();
  Wait(11, {0});
  TakeEvents();
  Done(0, 0);
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 1))) << "what the lost one had";
  // It has done both meanwhile; span 1 counts once, though another works on it too.
  Done(1, 1);
  EXPECT_THAT(TakeEvents(), ElementsAre("rank_back"));
  EXPECT_EQ(coordinator_->Status(now_).spans_done, 2u);
  Done(1, 3);
  Done(0, 2);
  Done(0, 1);
  EXPECT_EQ(coordinator_->Status(now_).spans_done, 4u);
  const auto results = coordinator_->TakeResults();
  ASSERT_EQ(results.size(), 5u) << "the second result of span 1 is committed too";
  EXPECT_FALSE(results.back().is_first);
  for (const auto& [worker, span] : TakeDeals()) EXPECT_GT(span, 3u) << "worker " << worker;
}

TEST_F(CoordinatorTest, AWorkerThatWasNeverThereIsLeftOut) {
  Make(2);
  Say(0, {.kind = MessageKind::kOpened});
  Ready(0);
  Wait(90, {0});
  EXPECT_FALSE(coordinator_->may_begin());
  Wait(11, {0});
  EXPECT_TRUE(coordinator_->may_begin());
  EXPECT_EQ(Take(MessageKind::kOpen).size(), 1u);
  EXPECT_THAT(StatusOf(1).reason, HasSubstr("in the first 100 s"));
  coordinator_->Begin({"brief", Spans(10)}, now_);
  // It may come all the same.
  coordinator_->TakeOutgoing();
  Ready(1);
  const auto messages = coordinator_->TakeOutgoing();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].message.kind, MessageKind::kBegin);
  EXPECT_EQ(messages[1].message.kind, MessageKind::kAssign);
}

TEST_F(CoordinatorTest, ALatecomerThatDiffersIsRetired) {
  Make(2);
  Ready(0);
  Wait(101, {0});
  coordinator_->Begin({"brief", Spans(10)}, now_);
  Ready(1, "other");
  EXPECT_FALSE(coordinator_->stopped());
  EXPECT_EQ(StatusOf(1).state, RankStatus::kRetired);
  EXPECT_THAT(StatusOf(1).reason, HasSubstr("would label something else"));
}

TEST_F(CoordinatorTest, ItsOwnSleepIsNobodysSilence) {
  Make(2);
  Begin(20);
  Wait(5, {0, 1});
  TakeEvents();
  now_ += 1000;
  coordinator_->OnTime(now_);
  EXPECT_THAT(TakeEvents(), IsEmpty());
  Wait(11, {0});
  EXPECT_THAT(TakeEvents(), Contains("rank_lost"));
}

TEST_F(CoordinatorTest, ThoseWhoHearNothingElseHearThatItIsThere) {
  Make(3);
  Begin(3);
  coordinator_->TakeOutgoing();
  std::vector<int> pinged;
  for (int i = 0; i < 50; ++i) {
    Wait(0.1, {0, 1, 2});
    for (const auto& [worker, message] : Take(MessageKind::kPing)) pinged.push_back(worker);
  }
  EXPECT_GE(std::ranges::count(pinged, 1), 4);
  EXPECT_LE(std::ranges::count(pinged, 1), 6);
  EXPECT_EQ(std::ranges::count(pinged, 0), 0);
}

TEST_F(CoordinatorTest, AFailureRetiresTheRank) {
  for (const ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kExhausted, ErrorCode::kInternal}) {
    Make(2);
    Begin(20);
    TakeDeals();
    FailOn(1, 1, code, "the device is gone");
    EXPECT_FALSE(coordinator_->stopped());
    EXPECT_EQ(StatusOf(1).state, RankStatus::kRetired);
    EXPECT_EQ(StatusOf(1).reason, "the device is gone");
    EXPECT_THAT(TakeEvents(), ElementsAre("rank_retired", "span_dealt_again", "span_dealt_again"));
    Done(0, 0);
    EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 1)));
    // It speaks still, which changes nothing; nor does its silence.
    Wait(5, {0, 1});
    Wait(11, {0});
    Say(1, {.kind = MessageKind::kAlive});
    EXPECT_EQ(StatusOf(1).state, RankStatus::kRetired);
    Done(0, 2);
    for (const auto& [worker, span] : TakeDeals()) EXPECT_EQ(worker, 0) << span;
  }
}

TEST_F(CoordinatorTest, ASpanThatFailsOnTwoRanksEndsTheJob) {
  Make(3);
  Begin(20);
  FailOn(1, 1, ErrorCode::kInternal, "the first");
  Done(0, 0);
  EXPECT_THAT(TakeDeals(), Contains(std::pair(0, 1)));
  FailOn(0, 1, ErrorCode::kInternal, "the second");
  ExpectOutcome(ErrorCode::kInternal, "the second");
}

TEST_F(CoordinatorTest, TheJobEndsWhenNobodyIsLeft) {
  Make(2);
  Begin(20);
  FailOn(0, 0, ErrorCode::kExhausted, "disk full");
  EXPECT_FALSE(coordinator_->stopped());
  Wait(11, {0});
  ExpectOutcome(ErrorCode::kExhausted, "disk full");
}

TEST_F(CoordinatorTest, OtherFailuresEndTheJob) {
  for (const ErrorCode code : {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kMismatch,
                               ErrorCode::kDataLoss, ErrorCode::kCancelled}) {
    Make(2);
    Begin(20);
    FailOn(1, 1, code, "damaged");
    ExpectOutcome(code, "damaged");
    ExpectStops({0, 1}, StopRequest::kAbandon);
    Done(0, 0);
    EXPECT_THAT(TakeDeals(), IsEmpty()) << "nothing more is dealt";
    EXPECT_EQ(coordinator_->TakeResults().size(), 1u) << "results still count";
  }
}

TEST_F(CoordinatorTest, IdleRanksTakeWhatLastsTooLongElsewhere) {
  Make(2);
  Begin(4);
  TakeDeals();
  now_ += 1;
  Done(0, 0);
  Done(1, 1);
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 2), std::pair(1, 3)));
  now_ += 1;
  Done(0, 2);
  Wait(1, {0, 1});
  EXPECT_THAT(TakeDeals(), IsEmpty()) << "it is only a little late";
  Wait(2, {0, 1});
  EXPECT_THAT(TakeDeals(), ElementsAre(std::pair(0, 3)));
  EXPECT_THAT(TakeEvents(), ElementsAre("span_doubled"));
  Done(0, 3);
  coordinator_->OnCommitted(4, 0);
  EXPECT_TRUE(coordinator_->all_committed()) << "without waiting for the other";
}

TEST_F(CoordinatorTest, FinishRequestLetsSpansEndAndAbandonDoesNot) {
  Make(2);
  Begin(20);
  Say(1, {.kind = MessageKind::kStopRequest, .request = StopRequest::kFinish});
  ExpectOutcome(ErrorCode::kCancelled, "stopped on request of rank 1 (host)");
  ExpectStops({0, 1}, StopRequest::kFinish);
  EXPECT_TRUE(coordinator_->Status(now_).stopping);
  Done(0, 0);
  EXPECT_THAT(TakeDeals(), IsEmpty());
  Wait(50, {0, 1});
  EXPECT_FALSE(coordinator_->finished(now_)) << "spans under way are waited for";
  Say(0, {.kind = MessageKind::kStopRequest, .request = StopRequest::kAbandon});
  ExpectStops({0, 1}, StopRequest::kAbandon);
  ExpectOutcome(ErrorCode::kCancelled, "stopped on request of rank 1 (host)");
  Say(0, {.kind = MessageKind::kBye});
  EXPECT_FALSE(coordinator_->finished(now_));
  Wait(11, {1});
  EXPECT_TRUE(coordinator_->finished(now_)) << "nobody waits for ever";
}

TEST_F(CoordinatorTest, FinishesWhenEveryWorkerSaidGoodbye) {
  Make(2);
  Begin(0);
  EXPECT_TRUE(coordinator_->all_committed());
  coordinator_->Complete();
  FailOn(1, 3, ErrorCode::kDataLoss, "too late to matter");
  Say(1, {.kind = MessageKind::kStopRequest, .request = StopRequest::kFinish});
  EXPECT_FALSE(coordinator_->stopped());
  coordinator_->End(kNoError, "", now_);
  ExpectStops({0, 1}, StopRequest::kAbandon);
  Say(1, {.kind = MessageKind::kBye});
  EXPECT_FALSE(coordinator_->finished(now_));
  Say(0, {.kind = MessageKind::kBye});
  EXPECT_TRUE(coordinator_->finished(now_));
}

TEST_F(CoordinatorTest, OnlyTheFirstOutcomeCounts) {
  Make(2);
  Begin(10);
  Say(0, {.kind = MessageKind::kStopRequest, .request = StopRequest::kFinish});
  FailOn(1, 1, ErrorCode::kDataLoss, "damaged");
  ExpectOutcome(ErrorCode::kCancelled, "stopped on request");
  coordinator_->EndUncommitted(static_cast<int32_t>(ErrorCode::kExhausted), "disk full", now_);
  ExpectOutcome(ErrorCode::kExhausted, "disk full");
  coordinator_->EndUncommitted(static_cast<int32_t>(ErrorCode::kInternal), "another", now_);
  ExpectOutcome(ErrorCode::kExhausted, "disk full");
}

TEST_F(CoordinatorTest, TheDeadlineEndsTheJob) {
  Make(2, {.silence_seconds = 10, .deadline = now_ + 100, .deadline_margin_seconds = 5});
  Begin(20);
  TakeDeals();
  Wait(94, {0, 1});
  EXPECT_FALSE(coordinator_->stopped());
  Wait(2, {0, 1});
  ExpectOutcome(ErrorCode::kCancelled, "stopped at the deadline");
  ExpectStops({0, 1}, StopRequest::kAbandon);
}

TEST_F(CoordinatorTest, NoSpanIsDealtThatWouldMissTheDeadline) {
  // Worker 0 needs 10 s, worker 1 30 s. The last span must end at 95 s, less 2 s that a commit takes.
  Make(2, {.silence_seconds = 10, .deadline = now_ + 100, .deadline_margin_seconds = 5});
  const double begin = now_;
  Begin(1000);
  TakeDeals();
  std::vector<std::vector<uint64_t>> held = {{0, 2}, {1, 3}};
  double last_end = 0;
  for (int ten = 1; ten <= 9 && !coordinator_->stopped(); ++ten) {
    Wait(begin + 10 * ten - now_, {0, 1});
    coordinator_->OnCommitted(1, 2);
    for (const size_t worker : {0, 1}) {
      if ((worker == 1 && ten % 3 != 0) || held[worker].empty()) continue;
      last_end = now_ - begin;
      Done(static_cast<int>(worker), held[worker].front(), worker == 0 ? 10 : 30);
      held[worker].erase(held[worker].begin());
      for (const auto& [to, span] : TakeDeals()) held[static_cast<size_t>(to)].push_back(span);
    }
  }
  EXPECT_NEAR(last_end, 90, 1);
  Wait(0.5, {0, 1});
  ExpectOutcome(ErrorCode::kCancelled, "no further span would end before the deadline");
  EXPECT_LT(now_, begin + 93);
}

TEST_F(CoordinatorTest, RefusesWhatDoesNotBelongToTheJob) {
  Make(1);
  Begin(1);
  for (const MessageKind kind : {MessageKind::kAssign, MessageKind::kStop, MessageKind::kPing}) {
    EXPECT_THAT([&] { Say(0, {.kind = kind}); },
                FailsWith(ErrorCode::kInternal, "worker 0 sent a coordinator's message"));
  }
  EXPECT_THAT([&] { Done(0, 77); }, FailsWith(ErrorCode::kInternal, "span 77, which is none of this job"));
}

TEST_F(CoordinatorTest, TheStatusSaysWhoDoesWhat) {
  Make(3);
  EXPECT_EQ(StatusOf(0).state, RankStatus::kStarting);
  EXPECT_LT(coordinator_->Status(now_).eta_seconds, 0);
  for (int worker = 0; worker < 3; ++worker) Ready(worker);
  EXPECT_EQ(StatusOf(1).state, RankStatus::kReady);
  coordinator_->Begin({"", Spans(9)}, now_);
  Say(1, {.kind = MessageKind::kAlive, .text = "fast"});
  now_ += 2;
  Done(1, 1, 2);
  const JobStatus status = coordinator_->Status(now_);
  EXPECT_EQ(status.spans_done, 1u);
  EXPECT_EQ(status.spans_committed, 0u);
  EXPECT_EQ(status.spans_left, 8u);
  EXPECT_EQ(status.spans_assigned, 6u);
  EXPECT_NEAR(status.eta_seconds, 2 * 8 / 3.0, 1.5);
  EXPECT_EQ(status.ranks[1].host, "host");
  EXPECT_EQ(status.ranks[1].state, RankStatus::kWorking);
  EXPECT_EQ(status.ranks[1].spans_done, 1u);
  EXPECT_EQ(status.ranks[1].busy_seconds, 2);
  EXPECT_EQ(status.ranks[1].span_seconds, 2);
  EXPECT_EQ(status.ranks[1].statistics, "fast");
  EXPECT_EQ(status.ranks[2].silent_seconds, 2);
  Say(1, {.kind = MessageKind::kBye});
  EXPECT_EQ(StatusOf(1).state, RankStatus::kGone);
}

TEST(JobMessageTest, ComesBackFromBytes) {
  for (int kind = 1; kind <= 13; ++kind) {
    const JobMessage message = {.kind = static_cast<MessageKind>(kind),
                                .span = 0x0123456789abcdef,
                                .code = -1,
                                .request = StopRequest::kAbandon,
                                .seconds = 0.1,
                                .text = std::string("a\0b", 3)};
    const JobMessage decoded = DecodeMessage(EncodeMessage(message));
    EXPECT_EQ(decoded.kind, message.kind);
    EXPECT_EQ(decoded.span, message.span);
    EXPECT_EQ(decoded.code, message.code);
    EXPECT_EQ(decoded.request, message.request);
    EXPECT_EQ(decoded.seconds, message.seconds);
    EXPECT_EQ(decoded.text, message.text);
  }
}

TEST(JobMessageTest, RefusesUnknownKindsAndTruncation) {
  std::string bytes = EncodeMessage({.kind = MessageKind::kDone, .span = 3, .text = "3"});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT([&] { DecodeMessage(bytes.substr(0, size)); },
                FailsWith(ErrorCode::kDataLoss, "message between ranks: truncated"));
  }
  for (const char kind : {0, 14}) {
    bytes[0] = kind;
    EXPECT_THAT([&] { DecodeMessage(bytes); }, FailsWith(ErrorCode::kInternal, "unknown kind"));
  }
  bytes[0] = 1;
  bytes[1] = 3;
  EXPECT_THAT([&] { DecodeMessage(bytes); }, FailsWith(ErrorCode::kInternal, "unknown kind"));
}

}  // namespace
}  // namespace decant
