#include "decant/producer/span_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decant {
namespace {

using testing::ElementsAre;

// 5 epochs of 3 spans.
constexpr Layout kLayout = {.num_samples = 100, .num_epochs = 5, .chunk_size = 20, .span_chunks = 2};

TEST(SpanGroupsTest, AGroupIsASpanWhereEveryEpochHasItsOrder) {
  const SpanGroups groups(kLayout, 1);
  EXPECT_THAT(groups.SpansOf(7), ElementsAre(7));
  EXPECT_THAT(groups.GroupsOf({0, 7, 14}), ElementsAre(0, 7, 14));
}

TEST(SpanGroupsTest, AGroupHasTheSamePlaceOfEveryEpochWithItsOrder) {
  const SpanGroups groups(kLayout, 2);
  EXPECT_THAT(groups.SpansOf(1), ElementsAre(1, 4));
  EXPECT_THAT(groups.SpansOf(3), ElementsAre(6, 9));
  EXPECT_THAT(groups.SpansOf(8), ElementsAre(14)) << "the last epoch is alone";
  EXPECT_THAT(groups.GroupsOf({1, 4, 5, 14}), ElementsAre(1, 2, 8));
}

TEST(SpanGroupsTest, EverySpanIsInItsGroupOnce) {
  for (const uint32_t epochs_per_order : {1, 2, 3, 5, 9}) {
    const SpanGroups groups(kLayout, epochs_per_order);
    for (uint64_t span = 0; span < kLayout.num_spans(); ++span) {
      EXPECT_THAT(groups.SpansOf(groups.GroupOf(span)), testing::Contains(span).Times(1));
    }
  }
}

}  // namespace
}  // namespace decant
