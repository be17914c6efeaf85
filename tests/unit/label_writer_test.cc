#include "decant/producer/label_writer.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "decant/data/order.h"
#include "decant/producer/select.h"
#include "decant/store/store_reader.h"
#include "decant/store/verify.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

constexpr auto kWrong = ErrorCode::kInvalidArgument;

class LabelWriterTest : public testing::Test {
 protected:
  LabelWriterTest() {
    schema_.order = OrderIdentity(OrderKind::kGlobal);
    schema_.tables = nullptr;
  }

  // The logits of samples in an epoch, row by row.
  std::vector<float> Logits(uint32_t epoch, std::span<const uint64_t> samples) const {
    std::vector<float> logits;
    for (const uint64_t sample : samples) {
      std::mt19937 bits(static_cast<uint32_t>(1000 * epoch + sample));
      for (uint32_t id = 0; id < schema_.codec.num_classes; ++id) {
        logits.push_back(static_cast<float>(bits() * 0x1p-30));
      }
    }
    return logits;
  }
  LabelBatch Labels(uint32_t epoch, std::span<const uint64_t> samples) const {
    LabelSelector selector(schema_.codec, schema_.selection, schema_.seed);
    const std::vector<float> logits = Logits(epoch, samples);
    LabelBatch labels;
    for (size_t i = 0; i < samples.size(); ++i) {
      selector.Append(std::span(logits).subspan(i * schema_.codec.num_classes, schema_.codec.num_classes),
                      {.epoch = epoch, .sample_id = samples[i]}, &labels);
    }
    return labels;
  }
  // Writes a span by logits or by labels, so many samples at a time.
  void PutSpan(LabelWriter* writer, uint64_t span, size_t batch, bool as_labels) const {
    SpanLabels labels = writer->Begin(span);
    const std::vector<uint64_t> samples = writer->SampleIds(span);
    const uint32_t epoch = schema_.layout.SpanAt(span).epoch;
    for (size_t begin = 0; begin < samples.size(); begin += batch) {
      const auto part = std::span(samples).subspan(begin, std::min(batch, samples.size() - begin));
      as_labels ? labels.Put(Labels(epoch, part)) : labels.PutLogits(Logits(epoch, part));
    }
    labels.Commit();
  }
  std::string WriteStore(const std::string& path, size_t batch, bool as_labels, bool backwards) const {
    LabelWriter writer(path, schema_);
    std::vector<uint64_t> spans = writer.MissingSpans();
    if (backwards) std::reverse(spans.begin(), spans.end());
    for (const uint64_t span : spans) PutSpan(&writer, span, batch, as_labels);
    return writer.Seal();
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.File("labels.decant");
  Schema schema_ = SmallSchema(1);
};

TEST_F(LabelWriterTest, GivesEachSampleItsLabel) {
  schema_.layout.num_epochs = 2;
  WriteStore(path_, 5, false, false);
  const StoreReader reader(path_);
  for (uint32_t epoch = 0; epoch < schema_.layout.num_epochs; ++epoch) {
    const Order order(OrderKind::kGlobal, schema_.seed, epoch, schema_.layout.num_samples);
    LabelBatch read;
    std::vector<uint64_t> samples;
    for (uint64_t chunk = 0; chunk < schema_.layout.chunks_per_epoch(); ++chunk) reader.ReadChunk(epoch, chunk, &read);
    for (uint64_t i = 0; i < schema_.layout.num_samples; ++i) samples.push_back(order.SampleAt(i));
    const LabelBatch expected = Labels(epoch, samples);
    ASSERT_EQ(read.ids, expected.ids);
    for (size_t i = 0; i < read.size(); ++i) EXPECT_LT(KlDivergence(expected, i, read, i), 2e-3);
  }
  const VerifyReport report = VerifyStore(path_, 1);
  EXPECT_TRUE(report.sound());
  EXPECT_TRUE(report.complete());
}

TEST_F(LabelWriterTest, BatchesAndOrderOfSpansDoNotChangeTheDigest) {
  const std::string digest = WriteStore(path_, 1, false, false);
  int store = 0;
  for (const size_t batch : {3, 8, 1000}) {
    const std::string path = directory_.File(std::to_string(store++));
    EXPECT_EQ(WriteStore(path, batch, batch != 8, batch != 3), digest);
  }
}

TEST_F(LabelWriterTest, SamplingDoesNotDependOnBatches) {
  schema_.selection = {.kind = Selection::kSample};
  schema_.codec.temperatures = {1};
  const std::string digest = WriteStore(path_, 1, false, false);
  EXPECT_EQ(WriteStore(directory_.File("other"), 7, true, true), digest);
}

TEST_F(LabelWriterTest, GoesOnAfterAWriterThatVanishedInASpan) {
  {
    LabelWriter writer(path_, schema_);
    PutSpan(&writer, 0, 4, false);
    SpanLabels labels = writer.Begin(1);
    labels.PutLogits(Logits(0, std::vector<uint64_t>{1, 2, 3, 4, 5}));
    EXPECT_EQ(labels.num_put(), 5u);
  }
  LabelWriter writer(path_, schema_);
  EXPECT_EQ(writer.MissingSpans(), (std::vector<uint64_t>{1, 2}));
  for (const uint64_t span : writer.MissingSpans()) PutSpan(&writer, span, 4, false);
  EXPECT_EQ(writer.Seal(), WriteStore(directory_.File("other"), 3, false, false));
}

TEST_F(LabelWriterTest, RefusesWrongCountsAndTakesTheRightOnes) {
  LabelWriter writer(path_, schema_);
  SpanLabels labels = writer.Begin(0);
  const std::vector<uint64_t> samples = writer.SampleIds(0);
  ASSERT_EQ(samples.size(), 8u);
  labels.PutLogits(Logits(0, std::span(samples).first(5)));
  EXPECT_THAT([&] { labels.Commit(); }, FailsWith(kWrong, "span 0 of epoch 0: expected labels of 8 samples, found 5"));
  EXPECT_THAT([&] { labels.PutLogits(Logits(0, std::span(samples).first(4))); },
              FailsWith(kWrong, "from position 5 of epoch 0: expected labels of at most 3 samples, found 4"));
  EXPECT_THAT([&] { labels.PutLogits(std::vector<float>(13)); }, FailsWith(kWrong, "13 logits are not rows of 10"));
  const std::vector<uint32_t> one_class = {1};
  EXPECT_THAT([&] { labels.PutLogits(std::vector<float>(10), {.true_classes = one_class}); },
              FailsWith(kWrong, "expected 0 true classes, found 1"));
  EXPECT_EQ(labels.num_put(), 5u);
  labels.PutLogits(Logits(0, std::span(samples).subspan(5)));
  labels.Commit();
  EXPECT_EQ(writer.MissingSpans().front(), 1u);
}

TEST_F(LabelWriterTest, RefusedLabelsLeaveTheSpanAsItWas) {
  LabelWriter writer(path_, schema_);
  SpanLabels labels = writer.Begin(0);
  const std::vector<uint64_t> samples = writer.SampleIds(0);
  labels.Put(Labels(0, std::span(samples).first(3)));
  const auto refuse = [&](const auto& spoil, const std::string& message) {
    LabelBatch batch = Labels(0, std::span(samples).subspan(3));
    spoil(&batch);
    EXPECT_THAT([&] { labels.Put(batch); }, FailsWith(kWrong, message));
    EXPECT_EQ(labels.num_put(), 3u);
  };
  refuse([](LabelBatch* batch) { batch->ids[8] = 10; }, "label 2, entry 2: class id 10 is not below 10");
  refuse([](LabelBatch* batch) { batch->ids[4] = batch->ids[3]; }, "comes twice");
  refuse([](LabelBatch* batch) { batch->log_probs[0] = std::nanf(""); }, "label 0, entry 0: log-probability nan");
  refuse([](LabelBatch* batch) { batch->tail_mass[4] = 0.9f; }, "label 4: probabilities and tail mass sum to");
  std::vector<float> logits = Logits(0, std::span(samples).subspan(3));
  logits[27] = std::nanf("");
  EXPECT_THAT([&] { labels.PutLogits(logits); }, FailsWith(kWrong, "row 2: the logit of class 7 is nan"));
  EXPECT_EQ(labels.num_put(), 3u);

  labels.Put(Labels(0, std::span(samples).subspan(3)));
  labels.Commit();
  for (const uint64_t span : writer.MissingSpans()) PutSpan(&writer, span, 4, false);
  EXPECT_EQ(writer.Seal(), WriteStore(directory_.File("other"), 3, false, false));
}

TEST_F(LabelWriterTest, ACommittedSpanStaysAsItIs) {
  LabelWriter writer(path_, schema_);
  SpanLabels slow = writer.Begin(2);
  PutSpan(&writer, 2, 4, false);
  EXPECT_THAT([&] { writer.Begin(2); }, FailsWith(kWrong, "span 2 is committed already"));
  EXPECT_THAT([&] { writer.Begin(3); }, FailsWith(kWrong, "3"));
  slow.PutLogits(std::vector<float>(10 * slow.num_samples()));
  EXPECT_THAT([&] { slow.Commit(); }, FailsWith(kWrong, "span 2 is committed already"));
  for (const uint64_t span : writer.MissingSpans()) PutSpan(&writer, span, 4, false);
  EXPECT_EQ(writer.Seal(), WriteStore(directory_.File("other"), 3, false, false));
}

TEST_F(LabelWriterTest, SealsOnlyCompleteStores) {
  LabelWriter writer(path_, schema_);
  PutSpan(&writer, 0, 4, false);
  EXPECT_THAT([&] { writer.Seal(); }, FailsWith(kWrong, "2 spans are missing, the first is span 1"));
}

TEST_F(LabelWriterTest, RefusesAnotherSchema) {
  { LabelWriter writer(path_, schema_); }
  Schema other = schema_;
  other.codec.k = 2;
  EXPECT_THAT([&] { LabelWriter(path_, other); }, FailsWith(ErrorCode::kMismatch, "labels.k: expected 3, found 2"));
}

TEST_F(LabelWriterTest, LearnsFromCalibrationLabelsOnceOnly) {
  schema_.calibration = {.num_labels = 22, .prior = Prior::kLearnt};
  EXPECT_THAT([&] { LabelWriter(path_, schema_); },
              FailsWith(kWrong, "the schema asks for 22 calibration labels, found 0"));
  std::vector<uint64_t> samples(22);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = i;
  int calls = 0;
  const auto calibration = [&] {
    ++calls;
    return Labels(0, samples);
  };
  for (int run = 0; run < 2; ++run) {
    LabelWriter writer(path_, schema_, calibration);
    EXPECT_EQ(*writer.schema().tables, LearnTables(schema_.codec, Labels(0, samples), Prior::kLearnt));
    PutSpan(&writer, writer.MissingSpans().front(), 4, false);
  }
  EXPECT_EQ(calls, 1);
}

TEST_F(LabelWriterTest, KeepsTheColumnsOfTheSchema) {
  schema_.codec.temperatures = {1, 2};
  schema_.codec.true_label = true;
  LabelWriter writer(path_, schema_);
  SpanLabels labels = writer.Begin(0);
  const std::vector<float> logits = Logits(0, writer.SampleIds(0));
  EXPECT_THAT([&] { labels.PutLogits(logits); }, FailsWith(kWrong, "expected 8 true classes, found 0"));
  const std::vector<uint32_t> true_classes = {0, 1, 2, 3, 4, 5, 6, 7};
  labels.PutLogits(logits, {.true_classes = true_classes});
  labels.Commit();
}

TEST_F(LabelWriterTest, TakesWholeWindowsOfTokens) {
  schema_.codec.windows = true;
  const auto windows = [&](uint64_t begin, uint64_t end) {
    LabelBatch labels;
    for (uint64_t window = begin; window < end; ++window) {
      const std::vector<uint64_t> tokens(1 + window % 3, window);
      const LabelBatch of_window = Labels(0, tokens);
      labels.AppendRange(of_window, 0, of_window.size());
      labels.window_offsets.push_back(static_cast<uint32_t>(labels.size()));
      labels.window_hashes.push_back(window);
    }
    return labels;
  };
  const auto write = [&](const std::string& path, uint64_t batch) {
    LabelWriter writer(path, schema_);
    for (const uint64_t span : writer.MissingSpans()) {
      SpanLabels labels = writer.Begin(span);
      EXPECT_THAT([&] { labels.PutLogits(std::vector<float>(10)); },
                  FailsWith(kWrong, "expected 0 rows by the sizes of the windows, found 1"));
      for (uint64_t begin = 0; begin < labels.num_samples(); begin += batch) {
        labels.Put(windows(begin, std::min(begin + batch, labels.num_samples())));
      }
      labels.Commit();
    }
    return writer.Seal();
  };
  const std::string digest = write(path_, 1);
  EXPECT_EQ(write(directory_.File("other"), 5), digest);
  LabelBatch read;
  StoreReader(path_).ReadChunk(0, 1, &read);
  EXPECT_EQ(read.window_hashes, (std::vector<uint64_t>{4, 5, 6, 7}));
  EXPECT_EQ(read.size(), 2u + 3 + 1 + 2);
}

}  // namespace
}  // namespace decant
