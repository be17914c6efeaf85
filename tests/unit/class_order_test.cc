#include "store/class_order.h"

#include <algorithm>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace decant {
namespace {

void AddLabel(const std::vector<uint32_t>& ids, LabelCodes* codes) {
  for (uint16_t entry = 0; entry < ids.size(); ++entry) {
    codes->ids.push_back(ids[entry]);
    codes->values.push_back(entry);
  }
  codes->offsets.push_back(static_cast<uint32_t>(codes->ids.size()));
}

void ExpectPermutation(std::vector<uint32_t> order, uint32_t num_classes) {
  ASSERT_EQ(order.size(), num_classes);
  std::sort(order.begin(), order.end());
  for (uint32_t id = 0; id < num_classes; ++id) ASSERT_EQ(order[id], id);
}

// Labels of classes that have the same remainder by `num_groups`.
LabelCodes GroupedLabels(uint32_t num_classes, uint32_t num_groups, int num_labels) {
  std::mt19937_64 bits(1);
  LabelCodes codes;
  for (int i = 0; i < num_labels; ++i) {
    const auto group = static_cast<uint32_t>(bits() % num_groups);
    std::vector<uint32_t> members;
    for (uint32_t id = group; id < num_classes; id += num_groups) members.push_back(id);
    for (size_t m = members.size() - 1; m > 0; --m) std::swap(members[m], members[bits() % (m + 1)]);
    members.resize(std::min<size_t>(members.size(), 6));
    AddLabel(members, &codes);
  }
  return codes;
}

TEST(AffinityOrderTest, BringsTogetherWhatIsListedTogether) {
  constexpr uint32_t kClasses = 120, kGroups = 12;
  const std::vector<uint32_t> order = AffinityOrder(kClasses, GroupedLabels(kClasses, kGroups, 600));
  ExpectPermutation(order, kClasses);
  for (uint32_t place = 0; place < kClasses; ++place) {
    EXPECT_EQ(order[place] % kGroups, order[place / 10 * 10] % kGroups) << "place " << place;
  }
}

TEST(AffinityOrderTest, OrderOfLabelsDoesNotMatter) {
  const LabelCodes codes = GroupedLabels(60, 6, 200);
  LabelCodes reversed;
  for (size_t i = codes.size(); i-- > 0;) {
    AddLabel({codes.ids.begin() + codes.offsets[i], codes.ids.begin() + codes.offsets[i + 1]}, &reversed);
  }
  EXPECT_EQ(AffinityOrder(60, reversed), AffinityOrder(60, codes));
}

TEST(AffinityOrderTest, WithoutLabelsIsTheOrderOfIds) {
  std::vector<uint32_t> ids(7);
  std::iota(ids.begin(), ids.end(), 0);
  EXPECT_EQ(AffinityOrder(7, LabelCodes()), ids);
  EXPECT_EQ(FrequencyOrder(7, LabelCodes()), ids);
}

TEST(AffinityOrderTest, ClassesThatAreNeverListedComeLast) {
  LabelCodes codes;
  AddLabel({5, 2}, &codes);
  AddLabel({2, 5}, &codes);
  EXPECT_EQ(AffinityOrder(7, codes), (std::vector<uint32_t>{2, 5, 0, 1, 3, 4, 6}));
}

// Every pair of classes once: no structure, and only ties.
TEST(AffinityOrderTest, EndsOnUniformLabels) {
  constexpr uint32_t kClasses = 200;
  LabelCodes codes;
  for (uint32_t a = 0; a < kClasses; ++a) {
    for (uint32_t b = a + 1; b < kClasses; ++b) AddLabel({a, b}, &codes);
  }
  const std::vector<uint32_t> order = AffinityOrder(kClasses, codes);
  ExpectPermutation(order, kClasses);
  EXPECT_EQ(AffinityOrder(kClasses, codes), order);
}

// A chain whose affinities grow along it merges one pair a round.
TEST(AffinityOrderTest, EndsOnAChain) {
  constexpr uint32_t kClasses = 300;
  LabelCodes codes;
  for (uint32_t a = 0; a + 1 < kClasses; ++a) {
    for (uint32_t times = 0; times <= a; ++times) AddLabel({a, a + 1}, &codes);
  }
  ExpectPermutation(AffinityOrder(kClasses, codes), kClasses);
}

TEST(FrequencyOrderTest, ListsTheFrequentFirstAndTiesById) {
  LabelCodes codes;
  AddLabel({4, 1}, &codes);
  AddLabel({4, 3}, &codes);
  AddLabel({4, 0}, &codes);
  AddLabel({3}, &codes);
  EXPECT_EQ(FrequencyOrder(6, codes), (std::vector<uint32_t>{4, 3, 0, 1, 2, 5}));
}

}  // namespace
}  // namespace decant
