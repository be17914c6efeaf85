#include <cmath>

#include <gtest/gtest.h>

#include "decant/store/chunk_codec.h"

#include "unit/errors.h"

namespace decant {
namespace {

const CodecParams kParams = {.num_classes = 10, .k = 3, .delta = 0.25};

// One label with these entries.
LabelBatch OneLabel(std::vector<uint32_t> ids, std::vector<float> log_probs, float tail) {
  LabelBatch labels;
  labels.Append(ids, log_probs, tail);
  return labels;
}

// One test per refusal of Quantise.
class QuantiseTest : public testing::Test {
 protected:
  void ExpectRefused(const LabelBatch& labels, const std::string& text) {
    EXPECT_THAT([&] { ChunkCodec(kParams).Quantise(labels); }, FailsWith(ErrorCode::kInvalidArgument, text));
  }
  const float half_ = std::log(0.5f);
};

TEST_F(QuantiseTest, RejectsALabelWithoutEntries) {
  ExpectRefused(OneLabel({}, {}, 1), "label 0: 0 entries");
}
TEST_F(QuantiseTest, RejectsMoreThanKEntries) {
  ExpectRefused(OneLabel({0, 1, 2, 3}, {half_, -3, -3, -3}, 0.3f), "label 0: 4 entries");
}
TEST_F(QuantiseTest, RejectsIdNotBelowNumClasses) {
  ExpectRefused(OneLabel({1, 10}, {half_, half_}, 0), "label 0, entry 1: class id 10");
}
TEST_F(QuantiseTest, RejectsEqualIds) {
  ExpectRefused(OneLabel({4, 4}, {half_, half_}, 0), "label 0: class id 4 comes twice");
}
TEST_F(QuantiseTest, RejectsPositiveLogProbability) {
  ExpectRefused(OneLabel({4}, {1e-6f}, 0), "label 0, entry 0: log-probability");
}
TEST_F(QuantiseTest, RejectsNanLogProbability) {
  ExpectRefused(OneLabel({4}, {std::nanf("")}, 0), "label 0, entry 0: log-probability nan");
}
TEST_F(QuantiseTest, RejectsNegativeTail) {
  ExpectRefused(OneLabel({4}, {0}, -1e-6f), "label 0: tail mass");
}
TEST_F(QuantiseTest, RejectsTailAboveOne) {
  ExpectRefused(OneLabel({4}, {-20}, 1.0001f), "label 0: tail mass");
}
TEST_F(QuantiseTest, RejectsNanTail) {
  ExpectRefused(OneLabel({4}, {0}, std::nanf("")), "label 0: tail mass nan");
}
TEST_F(QuantiseTest, RejectsTooLittleMass) {
  ExpectRefused(OneLabel({4}, {half_}, 0.49f), "label 0: probabilities and tail mass sum to 0.99");
}
TEST_F(QuantiseTest, RejectsTooMuchMass) {
  ExpectRefused(OneLabel({4}, {half_}, 0.51f), "label 0: probabilities and tail mass sum to 1.0");
}
TEST_F(QuantiseTest, RejectsColumnsThatTheStoreHasNot) {
  const LabelBatch sound = OneLabel({4}, {0}, 0);
  LabelBatch labels = sound;
  labels.other_tails = {0.5f};
  ExpectRefused(labels, "other_tails: expected 0 values, found 1");
  labels = sound;
  labels.true_log_probs = {-1};
  ExpectRefused(labels, "true_log_probs: expected 0 values, found 1");
  labels = sound;
  labels.logits = {1};
  ExpectRefused(labels, "logits: expected 0 values, found 1");
  labels = sound;
  labels.log_sum_exp = {1};
  ExpectRefused(labels, "log_sum_exp: expected 0 values, found 1");
  labels = sound;
  labels.window_hashes = {1};
  ExpectRefused(labels, "window_hashes: expected 0 values, found 1");
  labels = sound;
  labels.view_fingerprints = {1};
  ExpectRefused(labels, "view_fingerprints: expected 0 values, found 1");
}
TEST_F(QuantiseTest, RejectsColumnsThatTheStoreLacks) {
  const auto expect_refused = [](const CodecParams& params, const std::string& text) {
    EXPECT_THAT([&] { ChunkCodec(params).Quantise(OneLabel({4}, {0}, 0)); },
                FailsWith(ErrorCode::kInvalidArgument, text));
  };
  expect_refused({.num_classes = 10, .k = 3, .delta = 0.25, .temperatures = {1, 2}}, "other_tails: expected 1 values");
  expect_refused({.num_classes = 10, .k = 3, .delta = 0.25, .true_label = true}, "true_log_probs: expected 1 values");
  expect_refused({.num_classes = 10, .k = 3, .values = Values::kFp16Logits, .delta = 0.25},
                 "logits: expected 1 values");
  expect_refused({.num_classes = 10, .k = 3, .delta = 0.25, .windows = true}, "labels of the windows: expected 1");
  expect_refused({.num_classes = 10, .k = 3, .delta = 0.25, .view_fingerprints = true},
                 "view_fingerprints: expected 1 values, found 0");
}
// A window has one, however many labels it has.
TEST_F(QuantiseTest, CountsTheFingerprintsOfWindows) {
  const ChunkCodec codec({.num_classes = 10, .k = 3, .delta = 0.25, .windows = true, .view_fingerprints = true});
  LabelBatch labels = OneLabel({4}, {0}, 0);
  labels.AppendRange(OneLabel({4}, {0}, 0), 0, 1);
  labels.window_offsets = {0, 2};
  labels.window_hashes = {7};
  labels.view_fingerprints = {1, 2};
  EXPECT_THAT([&] { codec.Quantise(labels); },
              FailsWith(ErrorCode::kInvalidArgument, "view_fingerprints: expected 1 values, found 2"));
  labels.view_fingerprints = {1};
  EXPECT_EQ(codec.Quantise(labels).view_fingerprints, std::vector<uint16_t>{1});
}
// What is not a number of the store's format is refused, never rounded.
TEST_F(QuantiseTest, RejectsLogitsOffTheGrid) {
  for (const auto& [values, logit] : {std::pair(Values::kBf16Logits, 1.001f), std::pair(Values::kFp16Logits, 1.0001f),
                                      std::pair(Values::kFp16Logits, 70000.0f)}) {
    const ChunkCodec codec({.num_classes = 10, .k = 3, .values = values, .delta = 0.25});
    LabelBatch labels = OneLabel({4}, {0}, 0);
    labels.logits = {logit};
    labels.log_sum_exp = {logit};
    EXPECT_THAT([&] { codec.Quantise(labels); },
                FailsWith(ErrorCode::kInvalidArgument, "is not a number of the 16-bit format of the store"));
  }
}
TEST_F(QuantiseTest, RejectsLogProbabilitiesThatWouldNotComeBack) {
  const ChunkCodec logits({.num_classes = 10, .k = 3, .values = Values::kBf16Logits, .delta = 0.25});
  LabelBatch labels = OneLabel({4}, {0}, 0);
  labels.logits = {1};
  labels.log_sum_exp = {1.5f};
  EXPECT_THAT([&] { logits.Quantise(labels); }, FailsWith(ErrorCode::kInvalidArgument, "would come back as -0.5"));
  labels.log_sum_exp = {HUGE_VALF};
  EXPECT_THAT([&] { logits.Quantise(labels); }, FailsWith(ErrorCode::kInvalidArgument, "a log-sum-exp of inf"));
  const ChunkCodec probs({.num_classes = 10, .k = 3, .values = Values::kFp16Probs, .delta = 0.25});
  EXPECT_THAT([&] { probs.Quantise(OneLabel({4}, {std::log(0.3f)}, 0.7f)); },
              FailsWith(ErrorCode::kInvalidArgument, "label 0: the log-probability"));
}
TEST_F(QuantiseTest, NamesTheLabel) {
  LabelBatch labels = OneLabel({4}, {0}, 0);
  labels.Append(std::vector<uint32_t>{1, 12}, std::vector<float>{half_, half_}, 0);
  ExpectRefused(labels, "label 1, entry 1");
}

TEST(LabelBatchTest, SortsEntriesByIdOrLikelihood) {
  LabelBatch labels;
  labels.Append(std::vector<uint32_t>{7, 2, 9}, std::vector<float>{-3, -1, -3}, 0.1f);
  labels.Append(std::vector<uint32_t>{4, 1}, std::vector<float>{-1, -2}, 0.2f);
  labels.logits = {1, 3, 1.5, 8, 7};
  labels.SortEntries(EntryOrder::kById);
  EXPECT_EQ(labels.ids, (std::vector<uint32_t>{2, 7, 9, 1, 4}));
  EXPECT_EQ(labels.log_probs, (std::vector<float>{-1, -3, -3, -2, -1}));
  EXPECT_EQ(labels.logits, (std::vector<float>{3, 1, 1.5, 7, 8}));
  labels.SortEntries(EntryOrder::kLikeliestFirst);
  EXPECT_EQ(labels.ids, (std::vector<uint32_t>{2, 7, 9, 4, 1})) << "of equally likely ones the smaller id";
}

}  // namespace
}  // namespace decant
