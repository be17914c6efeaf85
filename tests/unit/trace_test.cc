#include "decant/base/trace.h"

#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "decant/base/file.h"

#include "unit/temporary_directory.h"

namespace decant {
namespace {

TEST(TraceTest, WritesWhatEveryThreadDid) {
  const TemporaryDirectory directory;
  Trace trace(3);
  std::thread([&] {
    trace.NameThread("worker");
    const TraceScope scope(&trace, "work", 7);
  }).join();
  { const TraceScope scope(&trace, "wait", 1); }
  trace.Write(directory.File("trace.json"));
  const auto events = nlohmann::json::parse(ReadFile(directory.File("trace.json"))).at("traceEvents");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0]["args"]["name"], "rank 3");
  EXPECT_EQ(events[1]["args"]["name"], "worker");
  EXPECT_EQ(events[2]["name"], "work");
  EXPECT_EQ(events[2]["tid"], events[1]["tid"]);
  EXPECT_EQ(events[2]["args"]["items"], 7);
  EXPECT_GE(events[2]["dur"], 0);
  EXPECT_NE(events[3]["tid"], events[2]["tid"]);
}

TEST(TraceTest, NoTraceIsFine) {
  const TraceScope scope(nullptr, "work", 1);
}

}  // namespace
}  // namespace decant
