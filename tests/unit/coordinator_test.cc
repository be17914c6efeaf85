#include "coordinator.h"

#include <algorithm>
#include <deque>
#include <numeric>

#include <gtest/gtest.h>

#include "unit/errors.h"

namespace decant {
namespace {

constexpr JobMessage kBye = {.kind = MessageKind::kBye};

std::vector<uint64_t> Spans(uint64_t count) {
  std::vector<uint64_t> spans(count);
  std::iota(spans.begin(), spans.end(), 0);
  return spans;
}
JobMessage Ready(const std::string& identity = "id") {
  return {.kind = MessageKind::kReady, .text = identity};
}
JobMessage Done(uint64_t span) {
  return {.kind = MessageKind::kDone, .span = span, .text = std::to_string(span)};
}
JobMessage Failed(ErrorCode code, const std::string& text) {
  return {.kind = MessageKind::kFailed, .code = static_cast<int32_t>(code), .text = text};
}

// The spans assigned in these messages; checks that nothing else is in them.
std::vector<uint64_t> Assigned(const std::vector<Coordinator::Outgoing>& messages, int worker) {
  std::vector<uint64_t> spans;
  for (const auto& [to, message] : messages) {
    EXPECT_EQ(message.kind, MessageKind::kAssign);
    if (to == worker) spans.push_back(message.span);
  }
  return spans;
}

// Every worker, and no other, is told to stop with this outcome.
void ExpectStops(const std::vector<Coordinator::Outgoing>& messages, int num_workers, int32_t code,
                 const std::string& text) {
  std::vector<int> stopped;
  for (const auto& [worker, message] : messages) {
    if (message.kind != MessageKind::kStop) continue;
    stopped.push_back(worker);
    EXPECT_EQ(message.code, code);
    EXPECT_THAT(message.text, testing::HasSubstr(text));
  }
  std::vector<int> all(static_cast<size_t>(num_workers));
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(stopped, all);
}

TEST(CoordinatorTest, DealsNothingBeforeAWorkerIsReady) {
  Coordinator coordinator(2, Spans(10), "id");
  EXPECT_TRUE(coordinator.TakeOutgoing().empty());
  coordinator.OnMessage(1, Ready());
  const auto messages = coordinator.TakeOutgoing();
  EXPECT_THAT(Assigned(messages, 0), testing::IsEmpty());
  EXPECT_THAT(Assigned(messages, 1), testing::ElementsAre(0, 1));
  EXPECT_TRUE(coordinator.TakeOutgoing().empty()) << "each message once";
}

TEST(CoordinatorTest, DealsInTheGivenOrder) {
  Coordinator coordinator(1, {7, 3, 9}, "id");
  coordinator.OnMessage(0, Ready());
  EXPECT_THAT(Assigned(coordinator.TakeOutgoing(), 0), testing::ElementsAre(7, 3));
  coordinator.OnMessage(0, Done(7));
  coordinator.OnMessage(0, Done(3));
  EXPECT_THAT(Assigned(coordinator.TakeOutgoing(), 0), testing::ElementsAre(9));
}

// Workers finish in turn; each has a second span waiting until as few are left as there are
// workers.
TEST(CoordinatorTest, DealsEverySpanOnceWithOneInReserve) {
  for (const int num_workers : {1, 2, 3, 8}) {
    Coordinator coordinator(num_workers, Spans(50), "id");
    std::vector<std::deque<uint64_t>> assigned(static_cast<size_t>(num_workers));
    std::vector<uint64_t> dealt;
    const auto take = [&] {
      for (const auto& [worker, message] : coordinator.TakeOutgoing()) {
        assigned[static_cast<size_t>(worker)].push_back(message.span);
        dealt.push_back(message.span);
      }
    };
    for (int worker = 0; worker < num_workers; ++worker) coordinator.OnMessage(worker, Ready());
    take();
    std::vector<std::string> results;
    for (int worker = 0; !coordinator.all_done(); worker = (worker + 1) % num_workers) {
      auto& queue = assigned[static_cast<size_t>(worker)];
      ASSERT_LE(queue.size(), 2u);
      if (50 - dealt.size() > static_cast<size_t>(num_workers)) {
        EXPECT_EQ(queue.size(), 2u);
      }
      if (queue.empty()) continue;
      coordinator.OnMessage(worker, Done(queue.front()));
      queue.pop_front();
      take();
      EXPECT_FALSE(coordinator.all_done()) << "a result waits";
      for (std::string& result : coordinator.TakeResults()) results.push_back(result);
    }
    EXPECT_EQ(dealt, Spans(50));
    EXPECT_EQ(results.size(), 50u);
    EXPECT_EQ(coordinator.num_done(), 50u);
  }
}

TEST(CoordinatorTest, LastSpansAreNotHoarded) {
  Coordinator coordinator(2, Spans(3), "id");
  coordinator.OnMessage(0, Ready());
  coordinator.OnMessage(1, Ready());
  const auto messages = coordinator.TakeOutgoing();
  EXPECT_THAT(Assigned(messages, 0), testing::ElementsAre(0));
  EXPECT_THAT(Assigned(messages, 1), testing::ElementsAre(1));
}

TEST(CoordinatorTest, HandsOutEachResultOnce) {
  Coordinator coordinator(1, {4}, "id");
  coordinator.OnMessage(0, Ready());
  coordinator.OnMessage(0, {.kind = MessageKind::kDone, .span = 4, .text = "bytes"});
  EXPECT_THAT(coordinator.TakeResults(), testing::ElementsAre("bytes"));
  EXPECT_THAT(coordinator.TakeResults(), testing::IsEmpty());
  EXPECT_TRUE(coordinator.all_done());
}

TEST(CoordinatorTest, NoSpansAreDoneAtOnce) {
  EXPECT_TRUE(Coordinator(3, {}, "id").all_done());
}

TEST(CoordinatorTest, AnotherIdentityStopsWithMismatch) {
  Coordinator coordinator(3, Spans(10), "id");
  coordinator.OnMessage(2, Ready("other"));
  EXPECT_TRUE(coordinator.stopped());
  EXPECT_EQ(coordinator.code(), static_cast<int32_t>(ErrorCode::kMismatch));
  EXPECT_THAT(coordinator.text(), testing::HasSubstr("rank 2 would label something else"));
  EXPECT_THAT(coordinator.text(), testing::HasSubstr("expected id, found other"));
  const auto messages = coordinator.TakeOutgoing();
  EXPECT_EQ(messages.size(), 3u) << "nothing is dealt";
  ExpectStops(messages, 3, static_cast<int32_t>(ErrorCode::kMismatch), "rank 2");
}

TEST(CoordinatorTest, FailureStopsEveryone) {
  Coordinator coordinator(2, Spans(10), "id");
  coordinator.OnMessage(0, Ready());
  coordinator.TakeOutgoing();
  coordinator.OnMessage(1, Failed(ErrorCode::kExhausted, "disk full"));
  ExpectStops(coordinator.TakeOutgoing(), 2, static_cast<int32_t>(ErrorCode::kExhausted), "disk full");
  coordinator.OnMessage(0, Done(0));
  coordinator.OnMessage(0, Done(1));
  EXPECT_TRUE(coordinator.TakeOutgoing().empty()) << "nothing more is dealt";
  EXPECT_THAT(coordinator.TakeResults(), testing::ElementsAre("0", "1")) << "results still count";
  EXPECT_FALSE(coordinator.all_done());
}

TEST(CoordinatorTest, OnlyTheFirstOutcomeCounts) {
  Coordinator coordinator(2, Spans(10), "id");
  coordinator.Stop(static_cast<int32_t>(ErrorCode::kCancelled), "stopped on request");
  coordinator.OnMessage(1, Failed(ErrorCode::kExhausted, "disk full"));
  EXPECT_EQ(coordinator.code(), static_cast<int32_t>(ErrorCode::kCancelled));
  EXPECT_EQ(coordinator.text(), "stopped on request");
  EXPECT_EQ(coordinator.TakeOutgoing().size(), 2u);
}

TEST(CoordinatorTest, FinishesWhenEveryWorkerSaidGoodbye) {
  Coordinator coordinator(2, {}, "id");
  coordinator.Stop(-1, "");
  ExpectStops(coordinator.TakeOutgoing(), 2, -1, "");
  coordinator.OnMessage(1, kBye);
  EXPECT_FALSE(coordinator.finished());
  coordinator.OnMessage(0, kBye);
  EXPECT_TRUE(coordinator.finished());
}

TEST(CoordinatorTest, RefusesACoordinatorsMessageFromAWorker) {
  Coordinator coordinator(1, Spans(1), "id");
  for (const MessageKind kind : {MessageKind::kAssign, MessageKind::kStop}) {
    EXPECT_THAT([&] { coordinator.OnMessage(0, {.kind = kind}); },
                FailsWith(ErrorCode::kInternal, "worker 0 sent a coordinator's message"));
  }
}

TEST(JobMessageTest, ComesBackFromBytes) {
  for (int kind = 1; kind <= 6; ++kind) {
    const JobMessage message = {
        .kind = static_cast<MessageKind>(kind), .span = 0x0123456789abcdef, .code = -1, .text = std::string("a\0b", 3)};
    const JobMessage decoded = DecodeMessage(EncodeMessage(message));
    EXPECT_EQ(decoded.kind, message.kind);
    EXPECT_EQ(decoded.span, message.span);
    EXPECT_EQ(decoded.code, message.code);
    EXPECT_EQ(decoded.text, message.text);
  }
}

TEST(JobMessageTest, RefusesUnknownKindsAndTruncation) {
  std::string bytes = EncodeMessage(Done(3));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT([&] { DecodeMessage(bytes.substr(0, size)); },
                FailsWith(ErrorCode::kDataLoss, "message between ranks: truncated"));
  }
  for (const char kind : {0, 7}) {
    bytes[0] = kind;
    EXPECT_THAT([&] { DecodeMessage(bytes); }, FailsWith(ErrorCode::kInternal, "unknown kind"));
  }
}

}  // namespace
}  // namespace decant
