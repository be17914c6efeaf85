#include "decant/producer/agreement.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "decant/base/error.h"

#include "unit/errors.h"

namespace decant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

LabelBatch Label(const std::vector<uint32_t>& ids, const std::vector<double>& probs, double tail) {
  std::vector<float> log_probs;
  for (const double prob : probs) log_probs.push_back(static_cast<float>(std::log(prob)));
  LabelBatch labels;
  labels.Append(ids, log_probs, static_cast<float>(tail));
  return labels;
}

TEST(AgreementTest, EqualLabelsAgreeInWhateverOrder) {
  const Agreement agreement = Compare(Label({3, 7}, {0.6, 0.3}, 0.1), Label({7, 3}, {0.3, 0.6}, 0.1));
  EXPECT_EQ(agreement.num_labels, 1u);
  EXPECT_EQ(agreement.top_1, 1);
  EXPECT_EQ(agreement.overlap, 1);
  EXPECT_NEAR(agreement.kl_mean, 0, 1e-7);
}

TEST(AgreementTest, DivergenceIsOverTheCommonClassesAndTheRest) {
  const Agreement agreement = Compare(Label({1, 2}, {0.5, 0.3}, 0.2), Label({1, 4}, {0.25, 0.5}, 0.25));
  EXPECT_EQ(agreement.top_1, 0);
  EXPECT_EQ(agreement.overlap, 0.5);
  EXPECT_NEAR(agreement.kl_mean, 0.5 * std::log(0.5 / 0.25) + 0.5 * std::log(0.5 / 0.75), 1e-6);
}

TEST(AgreementTest, NoCommonClassAndNoTailIsFinite) {
  const Agreement agreement = Compare(Label({1}, {1.0}, 0), Label({2}, {1.0}, 0));
  EXPECT_EQ(agreement.overlap, 0);
  EXPECT_TRUE(std::isfinite(agreement.kl_mean));
}

TEST(AgreementTest, AnotherNumberOfLabelsIsAMismatch) {
  EXPECT_THAT([] { Compare(Label({1}, {1.0}, 0), LabelBatch()); }, FailsWith(ErrorCode::kMismatch, "1 labels"));
}

TEST(AgreementTest, WhatTheControlShowsIsAccepted) {
  const Agreement control = {
      .num_labels = 4096, .top_1 = 0.999, .overlap = 0.99, .kl_mean = 5e-5, .kl_deviation = 5e-5};
  EXPECT_THAT(Disagreements(control, control), IsEmpty());
}

TEST(AgreementTest, EachFigureIsJudged) {
  const Agreement control = {
      .num_labels = 4096, .top_1 = 0.999, .overlap = 0.99, .kl_mean = 5e-5, .kl_deviation = 5e-5};
  Agreement found = control;
  found.top_1 = 0.98;
  EXPECT_THAT(Disagreements(found, control), ElementsAre(HasSubstr("top-1")));
  found = control;
  found.overlap = 0.9;
  EXPECT_THAT(Disagreements(found, control), ElementsAre(HasSubstr("overlap")));
  found = control;
  found.kl_mean = 2e-4;
  EXPECT_THAT(Disagreements(found, control), ElementsAre(HasSubstr("KL")));
}

TEST(AgreementTest, AFewLabelsAllowMoreThanMany) {
  const Agreement many = {.num_labels = 100000, .top_1 = 0.95, .overlap = 1, .kl_mean = 1e-5, .kl_deviation = 1e-5};
  Agreement few = many;
  few.num_labels = 100;
  Agreement found = many;
  found.top_1 = 0.93;
  EXPECT_THAT(Disagreements(found, few), IsEmpty());
  EXPECT_THAT(Disagreements(found, many), ElementsAre(HasSubstr("top-1")));
}

}  // namespace
}  // namespace decant
