#include "decant/producer/guest_labeller.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "decant/data/order.h"
#include "decant/producer/label_writer.h"
#include "decant/producer/select.h"
#include "decant/store/span_claims.h"
#include "decant/store/store_reader.h"
#include "decant/store/store_writer.h"
#include "decant/store/verify.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class GuestLabellerTest : public testing::Test {
 protected:
  GuestLabellerTest() {
    schema_.order = OrderIdentity(OrderSpec(OrderKind::kGlobal, 2));
    schema_.calibration = {.num_labels = 10, .prior = Prior::kLearnt};
    schema_.tables = nullptr;
  }

  std::vector<float> Logits(uint32_t epoch, std::span<const uint64_t> samples) const {
    std::vector<float> logits;
    for (const uint64_t sample : samples) {
      for (uint32_t id = 0; id < schema_.codec.num_classes; ++id) {
        logits.push_back(static_cast<float>((sample * 37 + id * 101 + epoch * 13) % 97) / 20);
      }
    }
    return logits;
  }
  // False when there was nothing to label.
  bool LabelOne(GuestLabeller* labeller) const {
    std::optional<SpanLabels> labels = labeller->Claim();
    if (!labels) return false;
    labels->PutLogits(Logits(labels->epoch(), labels->sample_ids()));
    labels->Commit();
    return true;
  }
  void LabelAll(GuestLabeller* labeller) const {
    while (!labeller->IsComplete()) {
      if (!LabelOne(labeller)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  // By a writer alone.
  std::string ExpectedDigest() const {
    const std::string path = directory_.File("expected.decant");
    std::vector<uint64_t> samples;
    const Order order(OrderFromIdentity(schema_.order), schema_.seed, 0, schema_.layout.num_samples);
    for (uint64_t i = 0; i < schema_.calibration.num_labels; ++i) samples.push_back(order.SampleAt(i * 2));
    LabelWriter writer(path, schema_, [&] {
      LabelSelector selector(schema_.codec, schema_.selection, schema_.seed);
      const std::vector<float> logits = Logits(0, samples);
      LabelBatch labels;
      for (size_t i = 0; i < samples.size(); ++i) {
        selector.Append(std::span(logits).subspan(i * 10, 10), {.sample_id = samples[i]}, &labels);
      }
      return labels;
    });
    for (const uint64_t span : writer.MissingSpans()) {
      SpanLabels labels = writer.Begin(span);
      labels.PutLogits(Logits(labels.epoch(), labels.sample_ids()));
      labels.Commit();
    }
    return writer.Seal();
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.File("labels.decant");
  Schema schema_ = SmallSchema(4);  // 12 spans in 6 groups
  const GuestOptions options_ = {.lease_seconds = 2};
};

TEST_F(GuestLabellerTest, OneAloneMakesTheStoreThatAWriterMakes) {
  {
    GuestLabeller labeller(path_, schema_, options_);
    EXPECT_FALSE(labeller.IsComplete());
    LabelAll(&labeller);
  }
  EXPECT_EQ(StoreReader(path_).digest(), ExpectedDigest());
  EXPECT_TRUE(VerifyStore(path_, 1).complete());
  EXPECT_FALSE(std::filesystem::exists(GuestsPath(path_)));
}

TEST_F(GuestLabellerTest, ManyAtOnceShareTheWork) {
  std::vector<std::thread> threads;
  std::atomic<int> num_labelled = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      GuestLabeller labeller(path_, schema_, options_);
      while (!labeller.IsComplete()) {
        if (LabelOne(&labeller)) {
          ++num_labelled;
        } else {
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_labelled, 13);  // the spans and the calibration
  EXPECT_EQ(StoreReader(path_).digest(), ExpectedDigest());
}

TEST_F(GuestLabellerTest, ASpanThatIsDroppedIsLabelledByAnother) {
  GuestLabeller first(path_, schema_, options_);
  EXPECT_TRUE(LabelOne(&first));  // the calibration
  {
    std::optional<SpanLabels> labels = first.Claim();
    ASSERT_TRUE(labels);
    labels->PutLogits(Logits(labels->epoch(), std::span(labels->sample_ids()).first(3)));
    EXPECT_THAT([&] { labels->Commit(); },
                FailsWith(ErrorCode::kInvalidArgument, "expected labels of 8 samples, found 3"));
  }
  LabelAll(&first);
  EXPECT_EQ(StoreReader(path_).digest(), ExpectedDigest());
}

TEST_F(GuestLabellerTest, WaitsWhileAnotherCalibrates) {
  GuestLabeller first(path_, schema_, options_), second(path_, schema_, options_);
  std::optional<SpanLabels> calibration = first.Claim();
  ASSERT_TRUE(calibration);
  EXPECT_EQ(calibration->num_samples(), 10u);
  EXPECT_FALSE(second.Claim());
  calibration->PutLogits(Logits(0, calibration->sample_ids()));
  calibration->Commit();
  EXPECT_TRUE(LabelOne(&second));
  EXPECT_TRUE(second.schema().tables);
}

TEST_F(GuestLabellerTest, AWriterMeanwhileTakesTheFiles) {
  GuestLabeller labeller(path_, schema_, options_);
  EXPECT_TRUE(LabelOne(&labeller));
  {
    StoreWriter writer(path_, schema_);
    while (LabelOne(&labeller)) {
    }
    EXPECT_FALSE(labeller.IsComplete());
    EXPECT_EQ(FinishedSpans(path_).size(), 12u);
    EXPECT_EQ(writer.Adopt().size(), 12u);
  }
  LabelAll(&labeller);  // seals
  EXPECT_EQ(StoreReader(path_).digest(), ExpectedDigest());
}

TEST_F(GuestLabellerTest, AnotherJobIsRefusedByItsFields) {
  {
    GuestLabeller labeller(path_, schema_, options_);
    EXPECT_TRUE(LabelOne(&labeller));
  }
  schema_.seed = 6;
  EXPECT_THAT([&] { GuestLabeller labeller(path_, schema_, options_); },
              FailsWith(ErrorCode::kMismatch, "seed: expected 5, found 6"));
}

TEST_F(GuestLabellerTest, RefusesColumnsThatTheSchemaHasNot) {
  schema_.calibration.num_labels = 0;
  schema_.codec.view_fingerprints = true;
  GuestLabeller labeller(path_, schema_, options_);
  std::optional<SpanLabels> labels;
  while (!labels) labels = labeller.Claim();
  const std::vector<float> logits = Logits(labels->epoch(), labels->sample_ids());
  EXPECT_THAT([&] { labels->PutLogits(logits); },
              FailsWith(ErrorCode::kInvalidArgument, "expected 8 fingerprints of views, found 0"));
  const std::vector<uint16_t> fingerprints = {1, 2, 3, 4, 5, 6, 7, 8};
  labels->PutLogits(logits, {.view_fingerprints = fingerprints});
  labels->Commit();
}

TEST_F(GuestLabellerTest, TakesRowsOfWindows) {
  schema_.calibration.num_labels = 0;
  schema_.codec.windows = true;
  GuestLabeller labeller(path_, schema_, options_);
  std::optional<SpanLabels> labels;
  while (!labels) labels = labeller.Claim();
  const uint64_t num_windows = labels->num_samples();
  const std::vector<uint32_t> sizes(num_windows, 2);
  const std::vector<uint64_t> hashes(num_windows, 77);
  const std::vector<float> logits(num_windows * 2 * 10, 0.5f);
  EXPECT_THAT([&] { labels->PutLogits(logits, {.window_sizes = sizes}); },
              FailsWith(ErrorCode::kInvalidArgument, "hashes of windows"));
  labels->PutLogits(logits, {.window_sizes = sizes, .window_hashes = hashes});
  labels->Commit();
}

}  // namespace
}  // namespace decant
