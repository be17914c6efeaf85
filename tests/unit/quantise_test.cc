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
TEST_F(QuantiseTest, NamesTheLabel) {
  LabelBatch labels = OneLabel({4}, {0}, 0);
  labels.Append(std::vector<uint32_t>{1, 12}, std::vector<float>{half_, half_}, 0);
  ExpectRefused(labels, "label 1, entry 1");
}

}  // namespace
}  // namespace decant
