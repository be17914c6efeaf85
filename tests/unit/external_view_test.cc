#include "decant/data/external_view.h"

#include <set>

#include <gtest/gtest.h>

#include "decant/data/view.h"

#include "unit/errors.h"

namespace decant {
namespace {

TEST(ExternalViewTest, KeysDependOnEveryArgument) {
  std::set<uint64_t> keys;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    for (uint32_t epoch = 0; epoch < 3; ++epoch) {
      for (uint64_t sample = 0; sample < 100; ++sample) keys.insert(ExternalViewKey(seed, epoch, sample));
    }
  }
  EXPECT_EQ(keys.size(), 900u);
  EXPECT_EQ(ExternalViewKey(42, 7, 1234567), 0x0371ebbe183bd1b9u);  // docs/randomness.md
}

TEST(ExternalViewTest, IdentityIsItsDescription) {
  const nlohmann::json expected = {{"kind", "external"}, {"description", "timm 0.9, rand-m9"}};
  EXPECT_EQ(ExternalViewIdentity("timm 0.9, rand-m9"), expected);
  EXPECT_EQ(MixingFromIdentity(expected), ViewSpec());
}

TEST(ExternalViewTest, IdentityKeepsMixingAndNothingElse) {
  const ViewSpec mixing = {.mixup = 0.5, .mixup_alpha = 0.8, .cutmix = 0.25};
  ViewSpec more = mixing;
  more.flip = 0.5;
  const auto identity = nlohmann::json::parse(ExternalViewIdentity("a", more).dump());
  EXPECT_EQ(MixingFromIdentity(identity), mixing);
  EXPECT_EQ(MixingFromIdentity(ViewIdentity(more)), mixing) << "of native views too";
}

TEST(ExternalViewTest, MixesAsNativeViewsDo) {
  ViewSpec spec = {.flip = 1, .shift = 0.2, .mixup = 0.4, .cutmix = 0.4};
  const ViewSpec mixing = {.mixup = 0.4, .cutmix = 0.4};
  for (uint64_t sample = 0; sample < 100; ++sample) {
    const ViewParams view = DrawView(spec, 5, 1, sample);
    const Mixing drawn = DrawMixing(mixing, 5, 1, sample);
    EXPECT_EQ(view.mixed, drawn.mixed);
    EXPECT_EQ(view.cutmix, drawn.cutmix);
    EXPECT_EQ(view.own_share, drawn.own_share);
    EXPECT_EQ(view.cut_box, drawn.cut_box);
  }
}

TEST(ExternalViewTest, CannotBeRenderedNatively) {
  EXPECT_THAT([] { ViewSpecFromIdentity(ExternalViewIdentity("a")); },
              FailsWith(ErrorCode::kMismatch, "external views"));
}

TEST(ExternalViewTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT([] { ExternalViewIdentity(""); }, FailsWith(ErrorCode::kInvalidArgument, "description"));
  EXPECT_THAT([] { ExternalViewIdentity("a", {.mixup = 2}); }, FailsWith(ErrorCode::kInvalidArgument, "views.mixup"));
  nlohmann::json identity = ExternalViewIdentity("a");
  const nlohmann::json changes = {{"other", 1}, {"description", 3}, {"mixup", 7}, {"cutmix", "much"}};
  for (const auto& [key, value] : changes.items()) {
    nlohmann::json wrong = identity;
    wrong[key] = value;
    EXPECT_THAT([&] { MixingFromIdentity(wrong); }, FailsWith(ErrorCode::kMismatch, "external views")) << wrong;
  }
  EXPECT_THAT([] { MixingFromIdentity(nullptr); }, FailsWith(ErrorCode::kMismatch, "views"));
}

}  // namespace
}  // namespace decant
