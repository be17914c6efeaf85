#include "decant/data/token_view.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "decant/base/bytes.h"
#include "decant/base/hash.h"

#include "unit/errors.h"

namespace decant {
namespace {

const TokenViewSpec kBert = {.mask = 0.15, .mask_token = 103, .vocabulary = 1000, .special_tokens = {101, 102, 0}};

// Token i of sample s, as in docs/randomness.md.
std::vector<uint32_t> Tokens(uint64_t sample_id, uint32_t count) {
  std::vector<uint32_t> tokens;
  for (uint32_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<uint32_t>((31 * (sample_id + 1) + 7 * i + 1) % 1000));
  return tokens;
}

// Documents of 1 to 40 tokens, all in memory.
class Documents : public TokenSource {
 public:
  uint64_t num_samples() const override { return 57; }
  std::string Name(uint64_t) const override { return ""; }
  uint64_t ContentHash(uint64_t sample_id) const override {
    ByteWriter writer;
    for (const uint32_t token : Tokens(sample_id, Length(sample_id))) writer.Put(token);
    return Xxh3(writer.bytes());
  }
  nlohmann::json Identity() const override { return {{"kind", "documents"}}; }
  uint32_t max_tokens() const override { return 40; }
  void ReadTokens(uint64_t sample_id, std::vector<uint32_t>* tokens) const override {
    *tokens = Tokens(sample_id, Length(sample_id));
  }

 private:
  static uint32_t Length(uint64_t sample_id) { return static_cast<uint32_t>(1 + sample_id * 11 % 40); }
};

// Within 6 standard deviations of a share of `count` draws.
void ExpectShare(uint64_t found, uint64_t count, double share) {
  const auto draws = static_cast<double>(count);
  EXPECT_NEAR(static_cast<double>(found) / draws, share, 6 * std::sqrt(share * (1 - share) / draws));
}

TEST(DrawTokenViewTest, MasksAsBertDoes) {
  uint64_t num_tokens = 0, predicted = 0, masked = 0, kept = 0, other = 0;
  std::vector<uint64_t> halves(2);
  std::vector<uint64_t> by_position(200);
  TokenViewSpec spec = kBert;
  spec.special_tokens = {};
  for (uint64_t sample = 0; sample < 2000; ++sample) {
    const std::vector<uint32_t> tokens(200, 999);  // no other token is this one, so that what stays is told apart
    const TokenView view = DrawTokenView(spec, 3, 1, sample, tokens);
    num_tokens += tokens.size();
    predicted += view.positions.size();
    for (const uint32_t position : view.positions) {
      ++by_position[position];
      const uint32_t token = view.inputs[position];
      if (token == 103) {
        ++masked;
      } else if (token == 999) {
        ++kept;
      } else {
        ++other;
        ++halves[token < 500 ? 0 : 1];
      }
    }
  }
  ExpectShare(predicted, num_tokens, 0.15);
  ExpectShare(masked, predicted, 0.8001);  // any token is the mask once in 1,000 times
  ExpectShare(kept, predicted, 0.1001);
  ExpectShare(other, predicted, 0.0998);
  ExpectShare(halves[0], other, 0.5);
  for (const uint64_t count : by_position) ExpectShare(count, 2000, 0.15);
}

TEST(DrawTokenViewTest, RandomTokensFillTheVocabulary) {
  const TokenViewSpec spec = {.mask = 1, .mask_random = 1, .mask_keep = 0, .vocabulary = 10};
  std::map<uint32_t, uint64_t> counts;
  for (uint64_t sample = 0; sample < 200; ++sample) {
    for (const uint32_t token : DrawTokenView(spec, 3, 1, sample, Tokens(sample, 100)).inputs) ++counts[token];
  }
  ASSERT_EQ(counts.size(), 10u);
  EXPECT_EQ(counts.rbegin()->first, 9u);
  for (const auto& [token, count] : counts) ExpectShare(count, 20000, 0.1);
}

TEST(DrawTokenViewTest, OnlyPredictedTokensAreReplaced) {
  for (uint64_t sample = 0; sample < 300; ++sample) {
    const std::vector<uint32_t> tokens = Tokens(sample, 60);
    const TokenView view = DrawTokenView(kBert, 3, 1, sample, tokens);
    EXPECT_TRUE(std::ranges::is_sorted(view.positions));
    EXPECT_EQ(std::ranges::adjacent_find(view.positions), view.positions.end());
    ASSERT_EQ(view.inputs.size(), tokens.size());
    for (uint32_t i = 0; i < tokens.size(); ++i) {
      if (!std::ranges::binary_search(view.positions, i)) {
        EXPECT_EQ(view.inputs[i], tokens[i]);
      }
    }
  }
}

TEST(DrawTokenViewTest, SpecialTokensAreNeverPredicted) {
  TokenViewSpec spec = kBert;
  spec.mask = 1;
  std::vector<uint32_t> tokens(50, 7);
  tokens.front() = 101;
  tokens[20] = 102;
  std::fill(tokens.begin() + 40, tokens.end(), 0);
  const TokenView view = DrawTokenView(spec, 3, 1, 0, tokens);
  EXPECT_EQ(view.positions.size(), 38u);
  for (const uint32_t position : view.positions) EXPECT_EQ(tokens[position], 7u);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] != 7) {
      EXPECT_EQ(view.inputs[i], tokens[i]);
    }
  }
}

TEST(DrawTokenViewTest, AtLeastOnePositionIsPredicted) {
  TokenViewSpec rare = kBert;
  rare.mask = 1e-6;
  std::set<uint32_t> positions;
  for (uint64_t sample = 0; sample < 200; ++sample) {
    for (const uint32_t count : {1u, 2u, 9u}) {
      const TokenView view = DrawTokenView(rare, 3, 1, sample, std::vector<uint32_t>(count, 5));
      ASSERT_EQ(view.positions.size(), 1u);
      ASSERT_LT(view.positions.front(), count);
      if (count == 9) positions.insert(view.positions.front());
    }
    const TokenView view = DrawTokenView(rare, 3, 1, sample, {101, 5, 102});
    EXPECT_EQ(view.positions, std::vector<uint32_t>{1}) << "the only one that is not special";
  }
  EXPECT_EQ(positions.size(), 9u) << "any of them";
  // The position that comes first when the probability grows.
  for (uint64_t sample = 0; sample < 50; ++sample) {
    const uint32_t first = DrawTokenView(rare, 3, 1, sample, Tokens(sample, 30)).positions.front();
    for (const double mask : {0.05, 0.2, 0.9}) {
      TokenViewSpec spec = kBert;
      spec.mask = mask;
      EXPECT_TRUE(std::ranges::binary_search(DrawTokenView(spec, 3, 1, sample, Tokens(sample, 30)).positions, first));
    }
  }
}

TEST(DrawTokenViewTest, NothingIsPredictedOfSpecialTokensAlone) {
  const TokenView view = DrawTokenView(kBert, 3, 1, 0, {101, 102, 0});
  EXPECT_TRUE(view.positions.empty());
  EXPECT_EQ(view.inputs, (std::vector<uint32_t>{101, 102, 0}));
}

// A position's draw does not depend on the others: a document that goes on keeps its masks.
TEST(DrawTokenViewTest, PositionsAreDrawnAlone) {
  const TokenView whole = DrawTokenView(kBert, 3, 1, 8, Tokens(8, 200));
  const TokenView part = DrawTokenView(kBert, 3, 1, 8, Tokens(8, 100));
  ASSERT_GT(part.positions.size(), 2u);
  ASSERT_GT(whole.positions.size(), part.positions.size());
  EXPECT_TRUE(std::ranges::equal(part.positions, std::span(whole.positions).first(part.positions.size())));
  EXPECT_TRUE(std::ranges::equal(part.inputs, std::span(whole.inputs).first(100)));
}

TEST(DrawTokenViewTest, IsAPureFunctionOfItsArguments) {
  const TokenView view = DrawTokenView(kBert, 1, 2, 3, Tokens(3, 100));
  DrawTokenView(kBert, 9, 9, 9, Tokens(3, 100));
  EXPECT_EQ(DrawTokenView(kBert, 1, 2, 3, Tokens(3, 100)), view);
  for (const TokenView& other :
       {DrawTokenView(kBert, 2, 2, 3, Tokens(3, 100)), DrawTokenView(kBert, 1, 3, 3, Tokens(3, 100)),
        DrawTokenView(kBert, 1, 2, 4, Tokens(3, 100))}) {
    EXPECT_NE(other.positions, view.positions);
    EXPECT_NE(other.fingerprint, view.fingerprint);
    EXPECT_EQ(other.hash, view.hash) << "the sample's own tokens are the same";
  }
}

TEST(DrawTokenViewTest, WithoutMasksEveryTokenIsShownAndLabelled) {
  const std::vector<uint32_t> tokens = Tokens(2, 100000);
  const TokenView view = DrawTokenView({}, 1, 2, 3, tokens);
  EXPECT_EQ(view.inputs, tokens);
  ASSERT_EQ(view.positions.size(), tokens.size());
  EXPECT_EQ(view.positions.back(), tokens.size() - 1);
  EXPECT_EQ(DrawTokenView({}, 9, 9, 9, tokens).fingerprint, view.fingerprint) << "nothing is drawn";
  EXPECT_NE(DrawTokenView({}, 1, 2, 3, Tokens(2, 99999)).fingerprint, view.fingerprint);
}

// Not only where tokens are replaced, but by what.
TEST(DrawTokenViewTest, FingerprintTellsReplacementsApart) {
  TokenViewSpec other = kBert;
  other.mask_token = 104;
  const TokenView a = DrawTokenView(kBert, 1, 2, 3, Tokens(3, 100)), b = DrawTokenView(other, 1, 2, 3, Tokens(3, 100));
  EXPECT_EQ(a.positions, b.positions);
  EXPECT_NE(a.fingerprint, b.fingerprint);
}

TEST(DrawTokenViewTest, FingerprintIsSpreadAndNeverTheReservedOne) {
  std::set<uint16_t> fingerprints;
  for (uint64_t sample = 0; sample < 200000; ++sample) {
    fingerprints.insert(DrawTokenView(kBert, 1, 0, sample, std::vector<uint32_t>(12, 5)).fingerprint);
  }
  EXPECT_FALSE(fingerprints.contains(0xffff));
  EXPECT_GT(fingerprints.size(), 10000u);
}

TEST(DrawTokenViewTest, RefusesTokensWithoutADraw) {
  EXPECT_EQ(DrawTokenView(kBert, 1, 0, 0, std::vector<uint32_t>(65536, 5)).inputs.size(), 65536u);
  EXPECT_THAT([&] { DrawTokenView(kBert, 1, 0, 0, std::vector<uint32_t>(65537, 5)); },
              FailsWith(ErrorCode::kInvalidArgument, "65537 tokens, but views.mask takes at most 65536"));
}

TEST(DrawTokenViewTest, GivesKnownAnswers) {
  const TokenViewSpec spec = {.mask = 0.15, .mask_token = 103, .vocabulary = 1000, .special_tokens = {32, 39}};
  TokenView view = DrawTokenView(spec, 42, 8, 0, Tokens(0, 24));
  EXPECT_EQ(view.positions, (std::vector<uint32_t>{6, 11, 15, 16}));
  for (const uint32_t position : view.positions) EXPECT_EQ(view.inputs[position], 103u);
  EXPECT_EQ(view.hash, 0xf9e6fd887b4cd859);
  EXPECT_EQ(view.fingerprint, 0x4a8d);
  view = DrawTokenView({}, 7, 3, 0, Tokens(0, 6));
  EXPECT_EQ(view.hash, 0x0f93fc2af6a19c89);
  EXPECT_EQ(view.fingerprint, 0xa48a);
  const TokenViewSpec wide = {
      .mask = 0.5, .mask_random = 0.5, .mask_keep = 0.25, .mask_token = 999, .vocabulary = 0xffffffff};
  view = DrawTokenView(wide, 9, 0xffffffff, 1, Tokens(1, 70));
  EXPECT_EQ(view.positions.size(), 35u);
  EXPECT_EQ(view.inputs[2], 999u);
  EXPECT_EQ(view.inputs[3], 84u);
  EXPECT_EQ(view.inputs[4], 2618260688u);
  EXPECT_EQ(view.hash, 0xb7e6ecfd2e27af48);
  EXPECT_EQ(view.fingerprint, 0xb57f);
}

TEST(TokenViewerTest, AnyPositionOfAnyEpochComesAlone) {
  const Documents source;
  const TokenViewer viewer(source, kBert, OrderKind::kGlobal, 5);
  std::vector<TokenView> views;
  for (uint32_t epoch = 0; epoch < 2; ++epoch) {
    std::set<uint64_t> seen;
    for (uint64_t position = 0; position < 57; ++position) {
      views.push_back(viewer.ViewAt(viewer.OrderOf(epoch), epoch, position));
      seen.insert(views.back().sample_id);
      EXPECT_EQ(views.back().hash, source.ContentHash(views.back().sample_id));
    }
    EXPECT_EQ(seen.size(), 57u);
  }
  for (const uint64_t position : {56, 0, 31}) {  // as a run that is continued there has them
    const TokenViewer again(source, kBert, OrderKind::kGlobal, 5);
    for (const uint32_t epoch : {1u, 0u}) {
      EXPECT_EQ(again.ViewAt(again.OrderOf(epoch), epoch, position), views[57 * epoch + position]);
    }
  }
}

TEST(TokenViewerTest, EpochsDiffer) {
  const Documents source;
  const TokenViewer viewer(source, kBert, OrderKind::kDataset, 5);
  size_t num_equal = 0;
  for (uint64_t position = 0; position < 57; ++position) {
    const TokenView first = viewer.ViewAt(viewer.OrderOf(0), 0, position);
    const TokenView second = viewer.ViewAt(viewer.OrderOf(1), 1, position);
    EXPECT_EQ(first.sample_id, position);
    EXPECT_EQ(first.hash, second.hash);
    num_equal += first.positions == second.positions;
  }
  EXPECT_LT(num_equal, 20u) << "documents of a few tokens can agree";
}

TEST(TokenViewerTest, NamesWhatItsViewsAreMadeOf) {
  const Documents source;
  const nlohmann::json identity = TokenViewer(source, kBert, OrderKind::kDataset, 5).Identity();
  EXPECT_EQ(identity["dataset"], source.Identity());
  EXPECT_EQ(TokenViewSpecFromIdentity(identity["views"]).mask_token, 103u);
  EXPECT_EQ(OrderFromIdentity(identity["order"]), OrderKind::kDataset);
  EXPECT_EQ(identity["seed"], 5);
}

TEST(TokenViewerTest, RefusesSamplesThatAreTooLong) {
  class Books : public Documents {
    uint32_t max_tokens() const override { return 70000; }
  };
  const Books source;
  EXPECT_THAT([&] { TokenViewer(source, kBert, OrderKind::kGlobal, 5); },
              FailsWith(ErrorCode::kInvalidArgument, "70000 tokens"));
  TokenViewer(source, {}, OrderKind::kGlobal, 5);
}

TEST(TokenViewSpecTest, NamesTheKeyThatIsOutOfBounds) {
  const auto expect_refused = [](TokenViewSpec spec, const std::string& text) {
    EXPECT_THAT([&] { spec.Validate(); }, FailsWith(ErrorCode::kInvalidArgument, "views." + text));
  };
  TokenViewSpec().Validate();
  kBert.Validate();
  TokenViewSpec{.mask = 1, .mask_random = 0.3, .mask_keep = 0.7, .vocabulary = 1}.Validate();
  TokenViewSpec{.mask_random = 7, .special_tokens = {5}}.Validate();  // means nothing without masks
  expect_refused({.mask = 1.5}, "mask is 1.5");
  expect_refused({.mask = -0.1}, "mask");
  expect_refused({.mask = std::nan("")}, "mask is nan");
  expect_refused({.mask = 0.15, .mask_random = 1.1, .vocabulary = 1}, "mask_random");
  expect_refused({.mask = 0.15, .mask_random = 0.6, .mask_keep = 0.5, .vocabulary = 1}, "mask_keep is 0.5");
  expect_refused({.mask = 0.15, .mask_token = 9, .vocabulary = 9},
                 "mask_token has the token 9, but the vocabulary has 9");
  expect_refused({.mask = 0.15}, "mask_token");
  expect_refused({.mask = 0.15, .vocabulary = 9, .special_tokens = {1, 10}}, "special_tokens has the token 10");
}

TEST(TokenViewIdentityTest, ComesBackThroughText) {
  TokenViewSpec spec = kBert;
  spec.mask = 1.0 / 7;
  spec.special_tokens = {102, 0, 101, 0};
  const auto identity = nlohmann::json::parse(TokenViewIdentity(spec).dump());
  EXPECT_EQ(identity["special_tokens"], (std::vector<uint32_t>{0, 101, 102}));
  spec.special_tokens = {0, 101, 102};
  EXPECT_EQ(TokenViewSpecFromIdentity(identity), spec);
  EXPECT_EQ(TokenViewIdentity({.vocabulary = 7}).dump(), R"({"kind":"tokens","mask":0.0,"version":1})");
  EXPECT_EQ(TokenViewSpecFromIdentity(TokenViewIdentity({.vocabulary = 7})), TokenViewSpec());
}

TEST(TokenViewIdentityTest, RejectsWhatThisBuildDoesNotHave) {
  const auto expect_refused = [](const std::string& field, const nlohmann::json& value) {
    nlohmann::json identity = TokenViewIdentity(kBert);
    identity[field] = value;
    EXPECT_THAT([&] { TokenViewSpecFromIdentity(identity); }, FailsWith(ErrorCode::kMismatch, identity.dump()))
        << field;
  };
  expect_refused("version", 2);
  expect_refused("kind", "native");
  expect_refused("spans", 3);
  expect_refused("mask", "much");
  expect_refused("mask", 0);
  expect_refused("mask_token", -1);
  expect_refused("mask_token", uint64_t{1} << 32);
  expect_refused("special_tokens", {2, 1});
  expect_refused("mask_token", 1e300);
  expect_refused("special_tokens", 5);
  expect_refused("special_tokens", {1, 2.5});
  expect_refused("vocabulary", nullptr);
  nlohmann::json identity = TokenViewIdentity(kBert);
  identity.erase("mask_keep");
  EXPECT_THAT([&] { TokenViewSpecFromIdentity(identity); }, FailsWith(ErrorCode::kMismatch, identity.dump()));
  EXPECT_THAT([&] { TokenViewSpecFromIdentity(nullptr); }, FailsWith(ErrorCode::kMismatch, "null"));
}

}  // namespace
}  // namespace decant
