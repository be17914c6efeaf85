#include "run_report.h"

#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "decant/base/file.h"

#include "run_texts.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

using Json = nlohmann::ordered_json;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

RunFacts FactsOf(const std::string& store) {
  return {.store = store,
          .host = "n1",
          .version = "0.1.0",
          .pid = 77,
          .num_ranks = 3,
          .schema_digest = "abc",
          .partition = Partition{1, 4},
          .spans_planned = 100,
          .labels_planned = 25'000};
}

JobStatus ThreeRanks() {
  JobStatus job = {.spans_done = 12, .spans_committed = 10, .spans_assigned = 5, .spans_left = 83, .eta_seconds = 812};
  job.ranks = {
      {.rank = 0,
       .host = "n1",
       .state = RankStatus::kWorking,
       .spans_done = 7,
       .span_seconds = 2,
       .statistics = R"({"labels": 1750, "seconds": {"render": 1.5, "forward": 9.25}})"},
      {.rank = 1, .host = "n2", .state = RankStatus::kWorking, .spans_done = 5, .span_seconds = 5},
      {.rank = 2, .host = "n3", .state = RankStatus::kLost, .silent_seconds = 31, .reason = "silent for 30 s"}};
  return job;
}

std::vector<Json> Lines(const std::string& path) {
  std::vector<Json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line, nullptr, false));
  return lines;
}

Json Status(const std::string& store) {
  return Json::parse(ReadFile(store + "/status.json"));
}

TEST(RunReportTest, WritesStatusLogAndMetrics) {
  const TemporaryDirectory directory;
  const std::string store = directory.path();
  const std::string metrics = directory.File("decant.prom");
  {
    RunReport report(FactsOf(store), {.spans = 4, .labels = 1000, .bytes = 5000},
                     {.metrics = metrics, .progress = false});
    JobStatus job = ThreeRanks();
    job.events = {{"rank_lost", 2, -1, "silent for 30 s"}, {"span_dealt_again", 1, 9, ""}};
    report.Tick(job);
    report.Committed({.spans = 6, .labels = 1500, .bytes = 7000});
    report.Committed({});
    report.Log("adopted", {{"spans", 2}});
    report.Finish({.state = "stopped", .exit_code = 75, .text = "USR1"});
  }
  const Json status = Status(store);
  EXPECT_EQ(status["state"], "stopped");
  EXPECT_EQ(status["exit_code"], 75);
  EXPECT_EQ(status["spans"], 100);
  EXPECT_EQ(status["spans_committed"], 10);
  EXPECT_EQ(status["labels_committed"], 2500);
  EXPECT_EQ(status["labels_this_run"], 1500);
  EXPECT_EQ(status["bytes"], 12000);
  EXPECT_EQ(status["partition"]["index"], 1);
  EXPECT_EQ(status["slowest_rank"], 1);
  EXPECT_EQ(status["slowest_factor"], 2.5);
  EXPECT_EQ(status["ranks"][0]["labels"], 1750);
  EXPECT_EQ(status["ranks"][0]["seconds"]["forward"], 9.25);
  EXPECT_EQ(status["ranks"][2]["state"], "lost");
  EXPECT_EQ(status["ranks"][2]["reason"], "silent for 30 s");
  EXPECT_EQ(status["events"].size(), 5u);  // all but the commit

  std::vector<std::string> kinds;
  for (const Json& line : Lines(store + "/run.jsonl")) kinds.push_back(line["event"]);
  EXPECT_EQ(kinds, (std::vector<std::string>{"begin", "rank_lost", "span_dealt_again", "commit", "adopted", "stop"}));

  const std::string text = ReadFile(metrics);
  EXPECT_NE(text.find("# TYPE decant_spans_committed gauge\ndecant_spans_committed{store=\"" + store + "\"} 10\n"),
            std::string::npos);
  EXPECT_NE(text.find(",rank=\"0\",host=\"n1\",stage=\"forward\"} 9.25\n"), std::string::npos);
  EXPECT_NE(text.find("decant_ranks{store=\"" + store + "\",state=\"lost\"} 1\n"), std::string::npos);
}

TEST(RunReportTest, ReplacesTheStatusWhileItRuns) {
  const TemporaryDirectory directory;
  RunReport report(FactsOf(directory.path()), {}, {.interval_seconds = 0.02, .progress = false});
  uint64_t beat = 0;
  for (int i = 0; i < 500 && beat < 3; ++i) {
    report.Tick(ThreeRanks());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (std::ifstream(directory.File("status.json"))) beat = Status(directory.path())["beat"];
  }
  EXPECT_GE(beat, 3u);
  EXPECT_EQ(Status(directory.path())["state"], "running");
}

TEST(RunReportTest, GoesOnWithoutFilesAndComplainsOnceForEach) {
  CaptureStderr();
  {
    RunReport report(FactsOf("/nowhere"), {},
                     {.metrics = "/nowhere/too/decant.prom", .interval_seconds = 0.01, .progress = false});
    for (int i = 0; i < 10; ++i) {
      report.Tick(ThreeRanks());
      report.Committed({.spans = 1});
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  const std::string text = GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_NE(text.find("warning: the run goes on without /nowhere/run.jsonl: "), std::string::npos) << text;
}

TEST(RunReportTest, BeginsANewLineAfterOneThatWasCutOff) {
  const TemporaryDirectory directory;
  AppendToFile(directory.File("run.jsonl"), "{\"time\": \"20");
  { RunReport report(FactsOf(directory.path()), {}, {.progress = false}); }
  const std::vector<Json> lines = Lines(directory.File("run.jsonl"));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(lines[0].is_discarded());
  EXPECT_EQ(lines[1]["event"], "begin");
  EXPECT_EQ(lines[2]["event"], "failed");
}

TEST(RunTextsTest, ProgressLineTellsSpeedTimeAndTheSlowestRank) {
  RunSnapshot snapshot;
  snapshot.job = ThreeRanks();
  snapshot.seconds = 100;
  snapshot.rank_seconds = {100, 100, 100};
  snapshot.committed = {.spans = 10, .labels = 2500, .bytes = 61'700'000};
  const Json status = RunStatusJson(FactsOf("s.decant"), snapshot);
  EXPECT_EQ(
      ProgressLine(status),
      "s.decant: 10 of 100 spans, 18 labels/s, 14 minutes to go, 61.7 MB, slowest rank 1 (n2), 2.50 x the median, "
      "1 of 3 ranks lost");
}

TEST(RunTextsTest, TextsOfAnythingAreTexts) {
  for (const char* text :
       {"{}", "[]", "3", R"({"ranks": 3, "spans": "x", "events": [3]})",
        R"({"ranks": [{"rank": "x", "seconds": 3}, 7], "slowest_rank": 1})", R"({"spans": -1e300})"}) {
    const Json status = Json::parse(text);
    StatusText(status);
    ProgressLine(status);
    PrometheusText(status);
  }
}

TEST(RunTextsTest, EscapesMetricLabels) {
  EXPECT_NE(PrometheusText({{"store", "a\"b\\c\nd"}}).find("{store=\"a\\\"b\\\\c\\nd\"}"), std::string::npos);
}

}  // namespace
}  // namespace decant
