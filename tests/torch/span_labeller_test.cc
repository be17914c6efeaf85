#include "decant/producer/span_labeller.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <numeric>

#include <gtest/gtest.h>
#include <torch/script.h>

#include "decant/base/error.h"
#include "decant/store/store_reader.h"
#include "decant/store/store_writer.h"

#include "torch/stripe_source.h"
#include "unit/errors.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

// Counts the images that were read, and has one that cannot be.
class WatchedSource : public StripeSource {
 public:
  using StripeSource::StripeSource;
  void ReadImage(uint64_t sample_id, Image* image) const override {
    ++num_read;
    if (sample_id == bad_sample) Fail(ErrorCode::kDataLoss, "sample {} is damaged", sample_id);
    StripeSource::ReadImage(sample_id, image);
  }
  mutable std::atomic<uint64_t> num_read = 0;
  uint64_t bad_sample = ~uint64_t{0};
};

std::vector<uint64_t> Positions(uint64_t first, size_t count) {
  std::vector<uint64_t> positions(count);
  std::iota(positions.begin(), positions.end(), first);
  return positions;
}

// A dataset of 50 images in chunks of 20 and spans of 2 chunks, labelled for 4 epochs by a linear teacher of 4 classes.
class SpanLabellerTest : public testing::Test {
 protected:
  std::string SaveScript(const std::string& body) {
    torch::jit::Module module("Teacher");
    module.register_parameter("weight", torch::arange(64, torch::kFloat32).reshape({16, 4}).sin(), false);
    module.define("def forward(self, x):\n" + body);
    const std::string path = directory_.File("teacher.pt");
    module.save(path);
    return path;
  }
  Schema MakeSchema(uint32_t epochs_per_order = 1) const {
    Schema schema;
    schema.layout = {.num_samples = 50, .num_epochs = 4, .chunk_size = 20, .span_chunks = 2};
    schema.codec = {.num_classes = 4, .k = 2, .delta = 0.03125};
    schema.seed = 3;
    schema.order = OrderIdentity({OrderKind::kGlobal, epochs_per_order});
    return schema;
  }
  ViewRenderer MakeViews(uint32_t epochs_per_order = 1) const {
    return {source_, {.shift = 0.2, .mixup = 0.5}, {OrderKind::kGlobal, epochs_per_order}, 3, StripeSource::kShape};
  }
  // Labels a whole store, the groups of spans in an order that `salt` decides; its digest.
  std::string Digest(const PipelineOptions& options, uint32_t epochs_per_order = 1, uint64_t salt = 0) {
    const Schema schema = MakeSchema(epochs_per_order);
    const ViewRenderer views = MakeViews(epochs_per_order);
    const auto renderer = MakeImageBatchRenderer(views);
    Teacher teacher({.path = {teacher_}, .batch_size = 8}, StripeSource::kShape);
    const std::string store = directory_.File(fmt::format("store-{}", num_stores_++));
    StoreWriter writer(store, schema);
    SpanLabeller labeller(schema, *renderer, teacher, options, "test");
    labeller.Begin(FoldersOf(store));
    std::vector<uint64_t> groups = labeller.groups().GroupsOf(writer.MissingSpans());
    std::sort(groups.begin(), groups.end(), [salt](uint64_t a, uint64_t b) { return (a ^ salt) < (b ^ salt); });
    for (const uint64_t group : groups) labeller.Prepare(group);
    for (const uint64_t group : groups) writer.Commit(labeller.Label(group));
    return writer.Seal();
  }

  const TemporaryDirectory directory_;
  WatchedSource source_{50};
  const std::string teacher_ = SaveScript("  return torch.matmul(torch.flatten(x, 1), self.weight)\n");
  int num_stores_ = 0;
};

TEST_F(SpanLabellerTest, WritesTheLabelsOfEveryPosition) {
  Teacher teacher({.path = {teacher_}, .batch_size = 8}, StripeSource::kShape);
  const Schema schema = MakeSchema();
  const ViewRenderer views = MakeViews();
  const auto renderer = MakeImageBatchRenderer(views);
  const std::string store = directory_.File("store");
  StoreWriter writer(store, schema);
  SpanLabeller labeller(schema, *renderer, teacher, {}, "test");
  labeller.Begin(FoldersOf(store));
  for (const uint64_t span : writer.MissingSpans()) writer.Commit(labeller.Label(span));
  const StoreReader reader(store);
  LabelBatch direct, stored;
  labeller.LabelPositions(1, Positions(20, 20), &direct);
  reader.ReadChunk(1, 1, &stored);
  EXPECT_EQ(direct.ids, stored.ids);
  for (size_t i = 0; i < direct.size(); ++i) EXPECT_LE(KlDivergence(direct, i, stored, i), reader.codec().KlBound());
}

TEST_F(SpanLabellerTest, TheDigestDoesNotDependOnThreadsQueuesOrTheOrderOfSpans) {
  const std::string digest = Digest({});
  for (const uint32_t decode_threads : {1, 2, 3, 4}) {
    for (const uint32_t replicas : {1, 3}) {
      for (const uint32_t depth : {1, 5}) {
        const PipelineOptions options = {.decode_threads = decode_threads, .replicas = replicas, .queue_depth = depth};
        EXPECT_EQ(Digest(options, 1, decode_threads * depth), digest) << decode_threads << " " << replicas;
      }
    }
  }
}

TEST_F(SpanLabellerTest, EpochsThatShareAnOrderShareTheirDecodedImages) {
  const std::string alone = Digest({}, 1);
  const uint64_t num_read_alone = source_.num_read.exchange(0);
  const std::string digest = Digest({.decode_threads = 2}, 3, 1);
  EXPECT_EQ(source_.num_read, 2 * 50u) << "4 epochs in groups of 3 and 1";
  EXPECT_GE(num_read_alone, 4 * 50u);
  EXPECT_EQ(Digest({}, 3), digest);
  EXPECT_NE(alone, digest);
}

TEST_F(SpanLabellerTest, NeighboursAreDecodedOnce) {
  Digest({});
  EXPECT_EQ(source_.num_read, 4 * 50u) << "as many images as labels, though half of the views are mixed";
}

TEST_F(SpanLabellerTest, NamesTheSampleWhoseLogitsAreNotFinite) {
  const std::string path = SaveScript("  return torch.log(torch.matmul(torch.flatten(x, 1), self.weight) - 1000.0)\n");
  Teacher teacher({.path = {path}}, StripeSource::kShape);
  const ViewRenderer views = MakeViews();
  const auto renderer = MakeImageBatchRenderer(views);
  const Schema schema = MakeSchema();
  SpanLabeller labeller(schema, *renderer, teacher, {}, "test");
  LabelBatch labels;
  const std::string sample = fmt::format("sample {} in epoch 1", views.OrderOf(1).SampleAt(20));
  EXPECT_THAT([&] { labeller.LabelPositions(1, Positions(20, 5), &labels); },
              FailsWith(ErrorCode::kInvalidArgument, sample));
}

TEST_F(SpanLabellerTest, TheFirstErrorEndsEverything) {
  source_.bad_sample = 17;
  Teacher teacher({.path = {teacher_}, .batch_size = 8}, StripeSource::kShape);
  const ViewRenderer views = MakeViews();
  const auto renderer = MakeImageBatchRenderer(views);
  const Schema schema = MakeSchema();
  const std::string store = directory_.File("store");
  StoreWriter writer(store, schema);
  SpanLabeller labeller(schema, *renderer, teacher, {.decode_threads = 3, .replicas = 2}, "test");
  labeller.Begin(FoldersOf(store));
  const uint64_t span = views.OrderOf(0).PositionOf(17) / 40;
  EXPECT_THAT([&] { labeller.Label(span); }, FailsWith(ErrorCode::kDataLoss, "sample 17 is damaged"));
  EXPECT_THAT([&] { labeller.Label(span); }, FailsWith(ErrorCode::kDataLoss, "sample 17 is damaged"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.File("store/staging"))) {
    EXPECT_NE(entry.path().extension(), ".sst") << "half a span is left";
  }
}

TEST_F(SpanLabellerTest, AbandonedWorkEndsSoon) {
  Teacher teacher({.path = {teacher_}, .batch_size = 8}, StripeSource::kShape);
  const ViewRenderer views = MakeViews();
  const auto renderer = MakeImageBatchRenderer(views);
  const Schema schema = MakeSchema();
  const std::string store = directory_.File("store");
  StoreWriter writer(store, schema);
  SpanLabeller labeller(schema, *renderer, teacher, {}, "test");
  labeller.Begin(FoldersOf(store));
  labeller.Abandon();
  EXPECT_THAT([&] { labeller.Label(0); }, FailsWith(ErrorCode::kCancelled, "abandoned"));
}

TEST_F(SpanLabellerTest, RendersNoFurtherAheadThanItsQueues) {
  Teacher teacher({.path = {teacher_}, .batch_size = 1}, StripeSource::kShape);
  const ViewRenderer views = MakeViews();
  const auto renderer = MakeImageBatchRenderer(views);
  const Schema schema = MakeSchema();
  LabelPipeline pipeline(schema, *renderer, teacher, {.decode_threads = 2, .replicas = 2, .queue_depth = 1}, nullptr);
  std::vector<BatchPlan> plans;
  for (uint64_t position = 0; position < 50; ++position) plans.push_back({.epoch = 1, .positions = {position}});
  pipeline.Plan(plans);
  LabelBatch labels;
  for (uint64_t taken = 1; taken <= 50; ++taken) {
    pipeline.Next(&labels);
    EXPECT_LE(source_.num_read, 2 * (taken + 8)) << "4 threads, each with a batch in work and one that waits";
  }
  EXPECT_EQ(labels.size(), 50u);
}

}  // namespace
}  // namespace decant
