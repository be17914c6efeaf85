#include "decant/consumer/trainer.h"

#include <filesystem>
#include <fstream>
#include <functional>

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
      targets->StartAt(span.epoch);
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
    return MakeStoredTargets(std::make_shared<StoreReader>(path), views_, {.num_epochs = 4, .batch_size = 8});
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
    EXPECT_EQ(report.epochs_resumed, static_cast<uint32_t>(steps / 7)) << steps;
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

// A store whose labels are the true classes must teach what the true classes teach.
TEST_F(TrainerTest, AStoreOfHardLabelsTrainsTheSameStudentAsHardLabels) {
  const auto stored = StoredTargets([](const View&, uint16_t fingerprint) { return fingerprint; });
  const auto hard = HardTargets();
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
  stored->StartAt(0);
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
