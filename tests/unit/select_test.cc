#include "decant/producer/select.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "unit/errors.h"
#include "unit/logit_rows.h"

namespace decant {
namespace {

LabelBatch Select(const std::vector<float>& logits, uint32_t k, double temperature = 1) {
  TopKSelector selector(static_cast<uint32_t>(logits.size()), k, temperature);
  LabelBatch labels;
  selector.Append(logits, &labels);
  return labels;
}

// Logits of a fixed sequence: sums of uniforms times `spread`.
std::vector<float> RandomLogits(uint32_t num_classes, double spread, std::mt19937& bits) {
  std::vector<float> logits(num_classes);
  for (float& logit : logits) {
    logit = static_cast<float>(spread * (bits() * 0x1p-32 + bits() * 0x1p-32 - 1));
  }
  return logits;
}

TEST(TopKSelectorTest, TakesTheLargestInTheOrderOfIds) {
  EXPECT_EQ(Select({1, 5, 2, 4, 3}, 3).ids, (std::vector<uint32_t>{1, 3, 4}));
  EXPECT_EQ(Select({-1, -5, -2}, 1).ids, (std::vector<uint32_t>{0}));
}

TEST(TopKSelectorTest, TiesGoToTheSmallerId) {
  EXPECT_EQ(Select({1, 2, 1, 2, 1}, 3).ids, (std::vector<uint32_t>{0, 1, 3}));
  EXPECT_EQ(Select({0, 0, 0, 0}, 2).ids, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(Select({-0.0f, 0.0f, 0.0f}, 1).ids, (std::vector<uint32_t>{0}));
  EXPECT_EQ(Select(std::vector<float>(1000, 3), 5).ids, (std::vector<uint32_t>{0, 1, 2, 3, 4}));
}

// Against a softmax and a sort written out plainly.
TEST(TopKSelectorTest, EqualsAPlainSoftmax) {
  std::mt19937 bits(3);
  for (const uint32_t num_classes : {1u, 2u, 10u, 257u}) {
    for (const uint32_t k : {1u, (num_classes + 1) / 2, num_classes}) {
      for (const double temperature : {0.5, 1.0, 4.0}) {
        const auto logits = RandomLogits(num_classes, 8, bits);
        const LabelBatch labels = Select(logits, k, temperature);
        std::vector<double> probs;
        for (const float logit : logits) probs.push_back(std::exp(logit / temperature));
        const double total = std::accumulate(probs.begin(), probs.end(), 0.0);
        std::vector<uint32_t> ids(num_classes);
        std::iota(ids.begin(), ids.end(), 0);
        std::stable_sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) { return logits[a] > logits[b]; });
        double tail = 0;
        for (uint32_t rank = k; rank < num_classes; ++rank) tail += probs[ids[rank]] / total;
        std::sort(ids.begin(), ids.begin() + k);

        ASSERT_EQ(labels.size(), 1u);
        EXPECT_EQ(labels.ids, std::vector<uint32_t>(ids.begin(), ids.begin() + k));
        for (uint32_t entry = 0; entry < k; ++entry) {
          EXPECT_NEAR(labels.log_probs[entry], std::log(probs[ids[entry]] / total), 2e-6);
        }
        EXPECT_NEAR(labels.tail_mass[0], tail, 1e-7);
      }
    }
  }
}

TEST(TopKSelectorTest, AllClassesLeaveATailOfExactlyZero) {
  std::mt19937 bits(4);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Select(RandomLogits(33, 5, bits), 33).tail_mass[0], 0);
}

TEST(TopKSelectorTest, TailIsNeverNegative) {
  std::mt19937 bits(5);
  for (int i = 0; i < 1000; ++i) {
    const LabelBatch labels = Select(RandomLogits(50, 60, bits), 49);
    EXPECT_GE(labels.tail_mass[0], 0);
    EXPECT_LE(labels.tail_mass[0], 1);
    for (const float log_prob : labels.log_probs) EXPECT_LE(log_prob, 0);
  }
}

// One minus the listed mass would be 0 or rounding noise here.
TEST(TopKSelectorTest, TailOfAConfidentRowIsPrecise) {
  const LabelBatch labels = Select({40, 0, 1, -3}, 1);
  const double tail =
      (std::exp(-40) + std::exp(-39) + std::exp(-43)) / (1 + std::exp(-40) + std::exp(-39) + std::exp(-43));
  EXPECT_NEAR(labels.tail_mass[0] / tail, 1, 1e-6);
}

TEST(TopKSelectorTest, LargeLogitsDoNotOverflow) {
  const LabelBatch labels = Select({1e30f, 1e30f, -1e30f}, 2);
  EXPECT_NEAR(labels.log_probs[0], std::log(0.5), 1e-6);
  EXPECT_EQ(labels.tail_mass[0], 0);
}

TEST(TopKSelectorTest, TemperatureFlattens) {
  EXPECT_NEAR(Select({2, 0}, 1, 2).log_probs[0], -std::log1p(std::exp(-1)), 1e-6);
  EXPECT_LT(Select({2, 0}, 1, 1).tail_mass[0], Select({2, 0}, 1, 10).tail_mass[0]);
}

TEST(TopKSelectorTest, AppendsRowAfterRow) {
  TopKSelector selector(3, 2, 1);
  LabelBatch labels;
  selector.Append(std::vector<float>{3, 2, 1}, &labels);
  selector.Append(std::vector<float>{1, 2, 3}, &labels);
  EXPECT_EQ(labels.offsets, (std::vector<uint32_t>{0, 2, 4}));
  EXPECT_EQ(labels.ids, (std::vector<uint32_t>{0, 1, 1, 2}));
  EXPECT_EQ(labels.log_probs[0], labels.log_probs[3]) << "no memory of the row before";
  EXPECT_EQ(labels.tail_mass[0], labels.tail_mass[1]);
}

TEST(TopKSelectorTest, NamesTheClassThatIsNotFinite) {
  const auto code = ErrorCode::kInvalidArgument;
  EXPECT_THAT([] { Select({0, 1, std::nanf(""), 2}, 2); }, FailsWith(code, "the logit of class 2 is nan"));
  EXPECT_THAT(
      [] {
        Select({0, std::numeric_limits<float>::infinity()}, 2);
      },
      FailsWith(code, "the logit of class 1 is inf"));
  EXPECT_THAT(
      [] {
        Select({-std::numeric_limits<float>::infinity(), 1}, 1);
      },
      FailsWith(code, "the logit of class 0 is -inf"));
}

TEST(TopKSelectorTest, RefusedRowAppendsNothing) {
  TopKSelector selector(2, 1, 1);
  LabelBatch labels;
  EXPECT_THROW(selector.Append(std::vector<float>{0, std::nanf("")}, &labels), Error);
  EXPECT_EQ(labels.size(), 0u);
  EXPECT_EQ(labels.num_entries(), 0u);
}

TEST(TopKSelectorTest, RejectsArgumentsOutOfRange) {
  const auto code = ErrorCode::kInvalidArgument;
  EXPECT_THAT([] { TopKSelector(10, 0, 1); }, FailsWith(code, "labels.k is 0"));
  EXPECT_THAT([] { TopKSelector(10, 11, 1); }, FailsWith(code, "labels.k is 11"));
  for (const double temperature : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT([&] { TopKSelector(10, 1, temperature); }, FailsWith(code, "labels.temperature"));
  }
  EXPECT_THAT(
      [] {
        LabelBatch labels;
        TopKSelector(3, 1, 1).Append(std::vector<float>{1, 2}, &labels);
      },
      FailsWith(code, "expected 3 logits, found 2"));
}

LabelBatch SelectWith(const CodecParams& params, const Selection& selection, const std::vector<float>& logits,
                      const SelectedView& view = {}, uint64_t seed = 1) {
  LabelSelector selector(params, selection, seed);
  LabelBatch labels;
  selector.Append(logits, view, &labels);
  return labels;
}

// softmax is 0.4, 0.3, 0.2, 0.06, 0.04 in another order.
const std::vector<float> kFiveLogits = {std::log(0.06f), std::log(0.4f), std::log(0.04f), std::log(0.2f),
                                        std::log(0.3f)};

TEST(TopPSelectionTest, ListsTheFewestThatHaveTheMass) {
  const auto select = [](double p, uint32_t k) {
    return SelectWith({.num_classes = 5, .k = k}, {.kind = Selection::kTopP, .p = p}, kFiveLogits);
  };
  EXPECT_EQ(select(0.1, 5).ids, (std::vector<uint32_t>{1}));
  EXPECT_EQ(select(0.41, 5).ids, (std::vector<uint32_t>{1, 4}));
  EXPECT_EQ(select(0.69, 5).ids, (std::vector<uint32_t>{1, 4}));
  EXPECT_EQ(select(0.8, 5).ids, (std::vector<uint32_t>{1, 3, 4}));
  EXPECT_EQ(select(1, 5).ids.size(), 5u);
  const LabelBatch capped = select(0.95, 2);
  EXPECT_EQ(capped.ids, (std::vector<uint32_t>{1, 4})) << "at most k";
  EXPECT_NEAR(capped.tail_mass[0], 0.3, 1e-6);
}

class SampleSelectionTest : public testing::Test {
 protected:
  static constexpr uint32_t kClasses = 60, kEntries = 12;
  static constexpr Selection kSampled = {.kind = Selection::kSample};

  LabelBatch Draw(uint64_t sample_id, uint32_t epoch = 0, uint64_t seed = 1) const {
    return SelectWith(params_, kSampled, logits_, {.epoch = epoch, .sample_id = sample_id}, seed);
  }
  std::vector<double> Probs() const {
    std::vector<double> probs;
    for (const float logit : logits_) probs.push_back(std::exp(double{logit}));
    const double total = std::accumulate(probs.begin(), probs.end(), 0.0);
    for (double& prob : probs) prob /= total;
    return probs;
  }

  std::mt19937 bits_{7};
  const std::vector<float> logits_ = RandomLogits(kClasses, 6, bits_);
  const CodecParams params_ = {.num_classes = kClasses, .k = kEntries};
};

TEST_F(SampleSelectionTest, DrawsKClassesWhoseProbabilitiesSumTo1) {
  for (uint64_t sample_id = 0; sample_id < 200; ++sample_id) {
    const LabelBatch label = Draw(sample_id);
    ASSERT_EQ(label.ids.size(), kEntries);
    EXPECT_TRUE(std::is_sorted(label.ids.begin(), label.ids.end()));
    EXPECT_EQ(std::adjacent_find(label.ids.begin(), label.ids.end()), label.ids.end());
    double mass = 0;
    for (const float log_prob : label.log_probs) mass += std::exp(double{log_prob});
    EXPECT_NEAR(mass, 1, 1e-6);
    EXPECT_EQ(label.tail_mass[0], 0);
  }
}

// A class is listed with probability p / t and then stands for t, so that its mean is p; those above t are exact.
TEST_F(SampleSelectionTest, IsUnbiased) {
  constexpr int kDraws = 20'000;
  std::vector<double> sum(kClasses), sum_of_squares(kClasses);
  for (int draw = 0; draw < kDraws; ++draw) {
    const LabelBatch label = Draw(static_cast<uint64_t>(draw));
    for (size_t entry = 0; entry < label.ids.size(); ++entry) {
      const double prob = std::exp(double{label.log_probs[entry]});
      sum[label.ids[entry]] += prob;
      sum_of_squares[label.ids[entry]] += prob * prob;
    }
  }
  const std::vector<double> probs = Probs();
  for (uint32_t id = 0; id < kClasses; ++id) {
    const double mean = sum[id] / kDraws;
    const double error = std::sqrt(std::max(0.0, sum_of_squares[id] / kDraws - mean * mean) / kDraws);
    EXPECT_NEAR(mean, probs[id], 5 * error + 1e-6) << "class " << id;
  }
}

// Every class has min(p, t) / t chances with one threshold t for all, which is what makes the variance least.
TEST_F(SampleSelectionTest, AllDrawnClassesShareOneThreshold) {
  const std::vector<double> probs = Probs();
  const LabelBatch label = Draw(3);
  double threshold = 0;
  for (size_t entry = 0; entry < kEntries; ++entry) {
    const double prob = std::exp(double{label.log_probs[entry]});
    if (std::abs(prob - probs[label.ids[entry]]) < 1e-6) continue;  // listed for certain
    EXPECT_LT(probs[label.ids[entry]], prob);
    if (threshold != 0) {
      EXPECT_NEAR(prob, threshold, 1e-6);
    }
    threshold = prob;
  }
  ASSERT_GT(threshold, 0);
  for (uint32_t id = 0; id < kClasses; ++id) {
    if (probs[id] <= threshold) continue;
    EXPECT_TRUE(std::binary_search(label.ids.begin(), label.ids.end(), id)) << id;
  }
}

TEST_F(SampleSelectionTest, IsAFunctionOfSeedEpochSampleAndPosition) {
  EXPECT_EQ(Draw(5).ids, Draw(5).ids);
  int different = 0;
  for (uint64_t sample_id = 0; sample_id < 20; ++sample_id) {
    different += Draw(sample_id).ids != Draw(sample_id, 1).ids;
    different += Draw(sample_id).ids != Draw(sample_id, 0, 2).ids;
    different += Draw(sample_id).ids != Draw(sample_id + 1).ids;
    const SelectedView next_token = {.sample_id = sample_id, .position = 1};
    different += Draw(sample_id).ids != SelectWith(params_, kSampled, logits_, next_token).ids;
  }
  EXPECT_GT(different, 65);
}

TEST_F(SampleSelectionTest, AllClassesAreTheDistributionItself) {
  const LabelBatch label = SelectWith({.num_classes = kClasses, .k = kClasses}, kSampled, logits_);
  const std::vector<double> probs = Probs();
  ASSERT_EQ(label.ids.size(), kClasses);
  for (uint32_t id = 0; id < kClasses; ++id) EXPECT_NEAR(std::exp(double{label.log_probs[id]}), probs[id], 1e-6);
}

// A class of probability 0 cannot be drawn.
TEST_F(SampleSelectionTest, ListsFewerWhereFewerArePossible) {
  std::vector<float> logits(kClasses, -2000);
  logits[3] = 1;
  logits[9] = 0;
  EXPECT_EQ(SelectWith(params_, kSampled, logits).ids, (std::vector<uint32_t>{3, 9}));
}

TEST(LabelSelectorTest, AddsTheColumnsThatTheStoreHas) {
  const LabelBatch label = SelectWith({.num_classes = 5, .k = 2, .temperatures = {1, 2, 4}, .true_label = true}, {},
                                      kFiveLogits, {.true_class = 3});
  EXPECT_NEAR(label.true_log_probs.at(0), std::log(0.2), 1e-6);
  ASSERT_EQ(label.other_tails.size(), 2u);
  for (const auto& [tail, temperature] : {std::pair(label.other_tails[0], 2), std::pair(label.other_tails[1], 4)}) {
    double listed = 0, total = 0;
    for (const double prob : {0.06, 0.4, 0.04, 0.2, 0.3}) total += std::pow(prob, 1.0 / temperature);
    for (const double prob : {0.4, 0.3}) listed += std::pow(prob, 1.0 / temperature);
    EXPECT_NEAR(tail, 1 - listed / total, 1e-6) << "at temperature " << temperature;
  }
  const LabelBatch logits = SelectWith({.num_classes = 5, .k = 2, .values = Values::kBf16Logits}, {}, {1, 3, -2, 2, 0});
  EXPECT_EQ(logits.logits, (std::vector<float>{3, 2}));
  EXPECT_NEAR(logits.log_sum_exp.at(0), std::log(std::exp(1) + std::exp(3) + std::exp(-2) + std::exp(2) + 1), 1e-6);
}

TEST(LabelSelectorTest, RefusesATrueClassThatTheTeacherHasNot) {
  EXPECT_THAT([] { SelectWith({.num_classes = 5, .k = 2, .true_label = true}, {}, kFiveLogits, {.true_class = 5}); },
              FailsWith(ErrorCode::kInvalidArgument, "the true class is 5, but the teacher has 5 classes"));
}

// What a label must be, in double precision.
struct PlainLabel {
  std::vector<uint32_t> ids;
  std::vector<double> log_probs;
  double tail = 0;
  double log_sum_exp = 0;
};

PlainLabel SelectPlainly(const std::vector<float>& logits, size_t k, double temperature) {
  std::vector<uint32_t> ranked(logits.size());
  std::iota(ranked.begin(), ranked.end(), 0);
  std::stable_sort(ranked.begin(), ranked.end(), [&](uint32_t a, uint32_t b) { return logits[a] > logits[b]; });
  const double largest = logits[ranked[0]];
  double total = 0;
  PlainLabel label;
  for (size_t rank = ranked.size(); rank-- > 0;) {
    if (rank == k - 1) label.tail = total;
    total += std::exp((logits[ranked[rank]] - largest) / temperature);
  }
  label.tail /= total;
  label.log_sum_exp = largest / temperature + std::log(total);
  ranked.resize(k);
  std::sort(ranked.begin(), ranked.end());
  label.ids = ranked;
  for (const uint32_t id : ranked) {
    label.log_probs.push_back((logits[id] - largest) / temperature - std::log(total));
  }
  return label;
}

void ExpectNearRelatively(double found, double expected, double tolerance) {
  EXPECT_NEAR(found, expected, tolerance * expected) << found << " for " << expected;
}

TEST(LabelSelectorTest, EqualsDoublePrecisionOnAwkwardRows) {
  for (const size_t num_classes : {1u, 7u, 16u, 100u, 1000u, 5003u}) {
    for (const LogitRow& row : AwkwardRows(num_classes, 5)) {
      for (const size_t k : {size_t{1}, num_classes / 10, num_classes / 2, num_classes}) {
        if (k == 0) continue;
        for (const double temperature : {0.25, 1.0, 7.5}) {
          SCOPED_TRACE(testing::Message() << row.kind << ", " << k << " of " << num_classes << " at " << temperature);
          const PlainLabel expected = SelectPlainly(row.logits, k, temperature);
          const LabelBatch found = Select(row.logits, static_cast<uint32_t>(k), temperature);
          ASSERT_EQ(found.ids, expected.ids);
          for (size_t entry = 0; entry < k; ++entry) {
            const double log_prob = std::max(expected.log_probs[entry], double{std::numeric_limits<float>::lowest()});
            EXPECT_NEAR(found.log_probs[entry], log_prob, 1e-6 + 1e-6 * std::abs(log_prob));
          }
          ASSERT_GE(found.tail_mass[0], 0);
          if (k == num_classes) {
            EXPECT_EQ(found.tail_mass[0], 0);
          }
          if (expected.tail > 1e-12) {
            ExpectNearRelatively(found.tail_mass[0], expected.tail, 1e-5);
          }
        }
      }
    }
  }
}

// The listed classes leave ever less: subtracting them from the total would leave rounding noise.
TEST(LabelSelectorTest, TailsArePreciseDownToTheSmallest) {
  std::mt19937 bits(6);
  for (const size_t num_classes : {200u, 21841u}) {
    for (const float height : {5.0f, 20.0f, 30.0f, 40.0f}) {
      std::vector<float> logits = RandomLogits(static_cast<uint32_t>(num_classes), 2, bits);
      for (size_t id = 3; id < num_classes; id += num_classes / 12) logits[id] += height;
      const double expected = SelectPlainly(logits, 20, 1).tail;
      ExpectNearRelatively(Select(logits, 20).tail_mass[0], expected, 1e-5);
    }
  }
}

TEST(LabelSelectorTest, FurtherTemperaturesHavePreciseTails) {
  std::mt19937 bits(7);
  const std::vector<float> logits = RandomLogits(3000, 12, bits);
  const std::vector<double> temperatures = {0.5, 1, 2, 4};
  const LabelBatch label = SelectWith({.num_classes = 3000, .k = 50, .temperatures = temperatures}, {}, logits);
  ASSERT_EQ(label.other_tails.size(), 3u);
  for (size_t t = 1; t < temperatures.size(); ++t) {
    ExpectNearRelatively(label.other_tails[t - 1], SelectPlainly(logits, 50, temperatures[t]).tail, 1e-5);
  }
}

class RankedRowTest : public testing::Test {
 protected:
  // The k likeliest classes, in an order of their own, with all that a row needs.
  RankedRow Rank(const CodecParams& params, uint32_t true_class) {
    log_sum_exp_.clear();
    tail_mass_.clear();
    for (const double temperature : params.temperatures) {
      const PlainLabel label = SelectPlainly(logits_, params.k, temperature);
      log_sum_exp_.push_back(label.log_sum_exp);
      tail_mass_.push_back(label.tail);
      ids_ = label.ids;
    }
    std::reverse(ids_.begin(), ids_.end());
    entries_.clear();
    for (const uint32_t id : ids_) entries_.push_back(logits_[id]);
    return {ids_, entries_, log_sum_exp_, tail_mass_, logits_[true_class]};
  }
  void ExpectEqualLabels(const CodecParams& params, const Selection& selection) {
    const SelectedView view = {.true_class = 17};
    const LabelBatch expected = SelectWith(params, selection, logits_, view);
    LabelBatch found;
    LabelSelector(params, selection, 1).AppendRanked(Rank(params, view.true_class), view, &found);
    EXPECT_EQ(found.offsets, expected.offsets);
    EXPECT_EQ(found.ids, expected.ids);
    EXPECT_EQ(found.logits, expected.logits);
    const auto expect_near = [](const std::vector<float>& a, const std::vector<float>& b) {
      ASSERT_EQ(a.size(), b.size());
      for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-6 * (1 + std::abs(b[i])));
    };
    expect_near(found.log_probs, expected.log_probs);
    expect_near(found.tail_mass, expected.tail_mass);
    expect_near(found.other_tails, expected.other_tails);
    expect_near(found.true_log_probs, expected.true_log_probs);
    expect_near(found.log_sum_exp, expected.log_sum_exp);
  }
  void ExpectRefused(const RankedRow& row, const std::string& message) {
    LabelBatch labels;
    EXPECT_THAT([&] { LabelSelector(params_, {}, 1).AppendRanked(row, {}, &labels); },
                FailsWith(ErrorCode::kInvalidArgument, message));
    EXPECT_EQ(labels.size(), 0u);
    EXPECT_EQ(labels.num_entries(), 0u);
  }

  std::mt19937 bits_{8};
  const std::vector<float> logits_ = RandomLogits(300, 6, bits_);
  const CodecParams params_ = {.num_classes = 300, .k = 12};
  std::vector<uint32_t> ids_;
  std::vector<float> entries_;
  std::vector<double> log_sum_exp_, tail_mass_;
};

TEST_F(RankedRowTest, GivesTheLabelOfTheWholeRow) {
  ExpectEqualLabels(params_, {});
  ExpectEqualLabels({.num_classes = 300, .k = 12, .temperatures = {0.5, 1, 3}, .true_label = true}, {});
  ExpectEqualLabels({.num_classes = 300, .k = 12, .values = Values::kBf16Logits}, {});
  for (const double p : {0.1, 0.6, 0.9, 0.999}) {
    ExpectEqualLabels({.num_classes = 300, .k = 40, .temperatures = {1, 2}}, {.kind = Selection::kTopP, .p = p});
  }
}

TEST_F(RankedRowTest, RefusesWhatCannotBe) {
  const RankedRow sound = Rank(params_, 0);
  RankedRow row = sound;
  row.ids = row.ids.first(11);
  ExpectRefused(row, "expected 12 ids, found 11");
  row = sound;
  row.tail_mass = {};
  ExpectRefused(row, "expected 1 tail masses, one for each temperature, found 0");
  ids_[3] = 300;
  ExpectRefused(sound, "class id 300 is not below 300");
  ids_[3] = ids_[2];
  ExpectRefused(sound, "comes twice");
  Rank(params_, 0);
  entries_[5] = std::nanf("");
  ExpectRefused(sound, "is nan");
  Rank(params_, 0);
  tail_mass_[0] = -0.1;
  ExpectRefused(sound, "the tail mass -0.1");
}

TEST_F(RankedRowTest, RefusesLabelsBySampling) {
  LabelBatch labels;
  EXPECT_THAT(
      [&] { LabelSelector(params_, {.kind = Selection::kSample}, 1).AppendRanked(Rank(params_, 0), {}, &labels); },
      FailsWith(ErrorCode::kInvalidArgument, "labels by sampling need all logits"));
}

}  // namespace
}  // namespace decant
