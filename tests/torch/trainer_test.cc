#include "decant/consumer/trainer.h"

#include <barrier>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/store/store_writer.h"

#include "torch/stripe_source.h"
#include "unit/errors.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() {
    network_.height = 4;
    network_.width = 4;
    network_.channels = 1;
    network_.num_classes = 4;
    network_.features = 8;
  }

  TrainOptions Options(const std::string& name) const {
    return {.num_epochs = 4,
            .batch_size = 8,
            .learning_rate = 0.02,
            .checkpoint = directory_.File(name + ".safetensors"),
            .metrics = directory_.File(name + ".jsonl")};
  }
  std::unique_ptr<Targets> HardTargets() const { return MakeHardTargets(views_, {.num_epochs = 4, .batch_size = 8}); }
  // Of a store of the true classes, which says of each view what `fingerprint_of` makes of its fingerprint.
  std::unique_ptr<Targets> StoredTargets(const std::function<uint16_t(const View&, uint16_t)>& fingerprint_of) const {
    const std::string path = directory_.File(fmt::format("store-{}", num_stores_++));
    Schema schema;
    schema.layout = {.num_samples = 50, .num_epochs = 4, .chunk_size = 8, .span_chunks = 7};
    schema.codec = {.num_classes = 4, .k = 4, .delta = 0.0009765625, .view_fingerprints = true};
    schema.seed = 3;
    schema.order = OrderIdentity(OrderKind::kGlobal);
    schema.views = ViewIdentity(spec_);
    StoreWriter writer(path, schema);
    for (const uint64_t index : writer.MissingSpans()) {
      const Span span = schema.layout.SpanAt(index);
      SpanWriter file(schema, path, span, "test");
      const auto targets = HardTargets();
      targets->StartAt({.epoch = span.epoch, .store_epoch = span.epoch});
      TargetBatch batch;
      std::vector<uint8_t> pixels(views_.shape().num_bytes());
      for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end && targets->Next(&batch); ++chunk) {
        for (const View& view : batch.views) {
          const uint16_t fingerprint = views_.Render(view, span.epoch, pixels.data());
          batch.labels.view_fingerprints.push_back(fingerprint_of(view, fingerprint));
        }
        file.AddChunk(batch.labels);
      }
      writer.Commit({file.Finish()});
    }
    writer.Seal();
    return MakeStoredTargets(std::make_shared<StoreSet>(std::make_shared<StoreReader>(path)), views_,
                             {.num_epochs = 4, .batch_size = 8});
  }
  // Trains; stops after `num_steps` steps of this process when that is not negative.
  TrainReport Run(const TrainOptions& options, Targets& targets, int num_steps = -1) const {
    const TrainHooks hooks = {.stop_requested = [&num_steps] { return num_steps-- == 0; },
                              .epoch_done = [](const EpochReport&) {}};
    return Train(network_, options, targets, test_views_, hooks);
  }

  const TemporaryDirectory directory_;
  const StripeSource source_{50};
  const ViewSpec spec_{.shift = 0.1, .brightness = 0.2, .mixup = 0.5};
  const ViewRenderer views_{source_, spec_, OrderKind::kGlobal, 3, StripeSource::kShape};
  const ViewRenderer test_views_{source_, {}, OrderKind::kDataset, 0, StripeSource::kShape};
  NetworkSpec network_;
  mutable int num_stores_ = 0;
};

TEST_F(TrainerTest, LearnsFromHardLabels) {
  const auto targets = HardTargets();
  const TrainReport report = Run(Options("student"), *targets);
  EXPECT_GT(report.test_accuracy, 0.9);
  EXPECT_EQ(report.num_steps, 4u * 7);
  EXPECT_EQ(Evaluate(Options("student").checkpoint, test_views_), report.test_accuracy);
}

TEST_F(TrainerTest, InterruptedTrainingEndsWithTheSameBytes) {
  const auto targets = HardTargets();
  Run(Options("whole"), *targets);
  const std::string whole = ReadFile(Options("whole").checkpoint);
  for (const int steps : {3, 7, 12, 20, 26}) {
    const TrainOptions options = Options("parts");
    EXPECT_THAT([&] { Run(options, *HardTargets(), steps); }, FailsWith(ErrorCode::kCancelled, "continues"));
    const TrainReport report = Run(options, *HardTargets());
    EXPECT_EQ(report.epochs_resumed, static_cast<uint32_t>((steps + 1) / 7)) << "stopped after step " << steps + 1;
    EXPECT_TRUE(ReadFile(options.checkpoint) == whole) << "stopped after step " << steps;
    EXPECT_FALSE(std::filesystem::exists(options.checkpoint + ".resume"));
  }
}

TEST_F(TrainerTest, MetricsHaveOneLineAnEpochAlsoAfterAStop) {
  EXPECT_THAT([&] { Run(Options("student"), *HardTargets(), 16); }, FailsWith(ErrorCode::kCancelled, "epoch 3"));
  Run(Options("student"), *HardTargets());
  std::ifstream file(Options("student").metrics);
  uint32_t epoch = 0;
  for (std::string line; std::getline(file, line);) EXPECT_EQ(nlohmann::json::parse(line)["epoch"], ++epoch);
  EXPECT_EQ(epoch, 4u);
}

TEST_F(TrainerTest, RefusesToContinueAnotherTraining) {
  EXPECT_THAT([&] { Run(Options("student"), *HardTargets(), 10); }, FailsWith(ErrorCode::kCancelled, ""));
  TrainOptions other = Options("student");
  other.learning_rate = 0.5;
  EXPECT_THAT([&] { Run(other, *HardTargets()); }, FailsWith(ErrorCode::kMismatch, "learning_rate"));
}

TEST_F(TrainerTest, ADamagedResumeFileIsAnError) {
  EXPECT_THAT([&] { Run(Options("student"), *HardTargets(), 10); }, FailsWith(ErrorCode::kCancelled, ""));
  const std::string path = Options("student").checkpoint + ".resume";
  std::string content = ReadFile(path);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  WriteFileAtomically(path, content);
  EXPECT_THAT([&] { Run(Options("student"), *HardTargets()); }, FailsWith(ErrorCode::kDataLoss, path));
}

TEST_F(TrainerTest, ALossThatIsNotFiniteIsAnError) {
  TrainOptions options = Options("student");
  options.learning_rate = 1e30;
  EXPECT_THAT([&] { Run(options, *HardTargets()); }, FailsWith(ErrorCode::kInvalidArgument, "learning_rate"));
}

// What MPI's all-reduce does, for ranks that are threads.
class ThreadSum {
 public:
  explicit ThreadSum(uint32_t size) : barrier_(size) {}
  void operator()(std::span<float> numbers) {
    {
      const std::lock_guard lock(mutex_);
      totals_.resize(numbers.size());
      for (size_t i = 0; i < numbers.size(); ++i) totals_[i] += numbers[i];
    }
    barrier_.arrive_and_wait();
    std::copy(totals_.begin(), totals_.end(), numbers.begin());
    barrier_.arrive_and_wait();
    totals_.clear();  // by every rank, before the next one adds
    barrier_.arrive_and_wait();
  }

 private:
  std::barrier<> barrier_;
  std::mutex mutex_;
  std::vector<float> totals_;
};

struct Curve {
  std::vector<double> losses;  // of the epochs
  double accuracy = 0;
};

class RanksTest : public TrainerTest {
 protected:
  // One rank is asked to stop after `num_steps` steps.
  Curve TrainOnRanks(const TrainOptions& options, uint32_t size, int stop_rank = -1, int num_steps = 0) {
    ThreadSum sum(size);
    Curve curve;
    std::vector<std::jthread> threads;
    for (uint32_t rank = 0; rank < size; ++rank) {
      threads.emplace_back([&, rank] {
        const auto targets =
            MakeHardTargets(views_, {.num_epochs = 4, .batch_size = 8, .rank = rank, .world_size = size});
        int left = static_cast<int>(rank) == stop_rank ? num_steps : -1;
        const TrainHooks hooks = {.stop_requested = [&left] { return left-- == 0; },
                                  .epoch_done =
                                      [&](const EpochReport& epoch) {
                                        if (rank == 0) curve.losses.push_back(epoch.train_loss);
                                      }};
        const TrainRanks ranks = {.rank = rank, .size = size, .sum = [&sum](std::span<float> x) { sum(x); }};
        try {
          const TrainReport report = Train(network_, options, *targets, test_views_, hooks, ranks);
          if (rank == 0) curve.accuracy = report.test_accuracy;
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kCancelled) << error.what();
        }
      });
    }
    threads.clear();
    return curve;
  }
};

// 50 samples in batches of 8, the last one of 2: with 3 and more ranks some have nothing of it.
TEST_F(RanksTest, AnyNumberOfRanksTrainsTheSameStudent) {
  TrainOptions options = Options("one");
  options.clip_norm = 1;
  options.label_smoothing = 0.1;
  options.alpha = 0.5;
  const Curve expected = TrainOnRanks(options, 1);
  ASSERT_EQ(expected.losses.size(), 4u);
  for (const uint32_t size : {2u, 3u, 4u}) {
    for (const uint32_t micro_batch : {0u, 1u, 3u}) {
      SCOPED_TRACE(fmt::format("{} ranks, micro-batches of {}", size, micro_batch));
      options.checkpoint = directory_.File(fmt::format("{}-{}", size, micro_batch));
      options.micro_batch = micro_batch;
      const Curve curve = TrainOnRanks(options, size);
      ASSERT_EQ(curve.losses.size(), 4u);
      for (size_t epoch = 0; epoch < 4; ++epoch) EXPECT_NEAR(curve.losses[epoch], expected.losses[epoch], 2e-3);
      EXPECT_NEAR(curve.accuracy, expected.accuracy, 0.021) << "one of 50 samples";
    }
  }
}

TEST_F(RanksTest, WhenOneRankIsStoppedAllStopAndOthersContinue) {
  TrainOptions options = Options("student");
  const Curve expected = TrainOnRanks(options, 1);
  options.checkpoint = directory_.File("stopped");
  TrainOnRanks(options, 2, /*stop_rank=*/1, /*num_steps=*/10);
  EXPECT_TRUE(std::filesystem::exists(options.checkpoint + ".resume"));
  const Curve rest = TrainOnRanks(options, 3);
  ASSERT_EQ(rest.losses.size(), 3u) << "stopped in the second epoch";
  for (size_t epoch = 0; epoch < 3; ++epoch) EXPECT_NEAR(rest.losses[epoch], expected.losses[epoch + 1], 2e-3);
  EXPECT_FALSE(std::filesystem::exists(options.checkpoint + ".resume"));
}

TEST_F(RanksTest, RanksThatContinueFromDifferentStepsAreTold) {
  const TrainHooks hooks = {.stop_requested = [] { return false; }, .epoch_done = [](const EpochReport&) {}};
  const TrainRanks ranks = {.rank = 0, .size = 2, .sum = [](std::span<float> x) { x[1] = 7; }};
  EXPECT_THAT([&] { Train(network_, Options("student"), *HardTargets(), test_views_, hooks, ranks); },
              FailsWith(ErrorCode::kMismatch, "they continue from steps 0, 7"));
}

// A store whose labels are the true classes must teach what the true classes teach.
TEST_F(TrainerTest, AStoreOfHardLabelsTrainsTheSameStudentAsHardLabels) {
  const auto stored = StoredTargets([](const View&, uint16_t fingerprint) { return fingerprint; });
  const auto hard = HardTargets();
  const StreamState start = stored->state();
  TargetBatch a, b;
  uint32_t num_batches = 0;
  for (; hard->Next(&a); ++num_batches) {
    ASSERT_TRUE(stored->Next(&b));
    EXPECT_EQ(a.images, b.images);
    EXPECT_EQ(a.labels.ids, b.labels.ids);
    for (size_t i = 0; i < a.labels.num_entries(); ++i) {
      EXPECT_NEAR(a.labels.log_probs[i], b.labels.log_probs[i], 0.001);
    }
  }
  EXPECT_FALSE(stored->Next(&b));
  EXPECT_EQ(num_batches, 4u * 7);
  stored->StartAt(start);
  EXPECT_GT(Run(Options("student"), *stored).test_accuracy, 0.9);
}

TEST_F(TrainerTest, AStoreOfOtherViewsIsRefusedWithTheFirstBatch) {
  const auto stored =
      StoredTargets([](const View&, uint16_t fingerprint) { return static_cast<uint16_t>(fingerprint ^ 1); });
  TargetBatch batch;
  EXPECT_THAT([&] { stored->Next(&batch); },
              FailsWith(ErrorCode::kMismatch, "position 0): the view is not the one that the teacher saw"));
  EXPECT_THAT([&] { Run(Options("student"), *StoredTargets([](const View&, uint16_t) { return uint16_t{0xffff}; })); },
              FailsWith(ErrorCode::kMismatch, "expected 0xffff; check that views.seed"));
}

// The batches before it are what they should be.
TEST_F(TrainerTest, OneViewThatTheTeacherDidNotSeeIsNamed) {
  const uint64_t sample_id = views_.OrderOf(0).SampleAt(21);
  const auto stored = StoredTargets([&](const View& view, uint16_t fingerprint) {
    return static_cast<uint16_t>(view.sample_id == sample_id ? fingerprint + 1 : fingerprint);
  });
  TargetBatch batch;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(stored->Next(&batch));
  EXPECT_THAT([&] { stored->Next(&batch); },
              FailsWith(ErrorCode::kMismatch, fmt::format("epoch 0, sample {} (position 21)", sample_id)));
}

}  // namespace
}  // namespace decant
