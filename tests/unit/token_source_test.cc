#include <numeric>

#include <gtest/gtest.h>

#include "decant/base/hash.h"
#include "decant/data/open_source.h"

#include "unit/errors.h"
#include "unit/npz_maker.h"
#include "unit/put_file.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

template <typename Int>
std::vector<Int> Counted(size_t count) {
  std::vector<Int> values(count);
  std::iota(values.begin(), values.end(), Int{0});
  return values;
}

class TokenSourceTest : public testing::Test {
 protected:
  std::string Put(const std::string& name, const std::string& content) {
    return PutFile(directory_.File(name), content);
  }
  std::unique_ptr<TokenSource> Open() { return OpenTokenSource(options_); }
  std::unique_ptr<TokenSource> OpenDocuments(const std::vector<uint64_t>& offsets) {
    options_.documents = Put("train.idx", Elements(offsets));
    return Open();
  }
  void ExpectRefused(const std::string& text) {
    EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kInvalidArgument, text));
  }
  static std::vector<uint32_t> Read(const TokenSource& source, uint64_t sample_id) {
    std::vector<uint32_t> tokens;
    source.ReadTokens(sample_id, &tokens);
    return tokens;
  }

  const TemporaryDirectory directory_;
  SourceOptions options_{.path = Put("train.bin", Elements(Counted<uint16_t>(11))), .window = 4};
};

TEST_F(TokenSourceTest, WindowsOfAStreamWithoutTheLastPart) {
  const auto source = Open();
  ASSERT_EQ(source->num_samples(), 2u);
  EXPECT_EQ(source->max_tokens(), 4u);
  EXPECT_EQ(Read(*source, 0), (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(Read(*source, 1), (std::vector<uint32_t>{4, 5, 6, 7}));
  EXPECT_EQ(source->ContentHash(1), Xxh3(Elements<uint32_t>({4, 5, 6, 7})));
  EXPECT_THAT([&] { Read(*source, 2); }, FailsWith(ErrorCode::kInvalidArgument, "sample 2 is not below"));
  const auto identity = source->Identity();
  EXPECT_EQ(identity.at("kind"), "tokens");
  EXPECT_EQ(identity.at("num_tokens"), 11);
  EXPECT_EQ(identity.at("window"), 4);
}

TEST_F(TokenSourceTest, WideTokens) {
  Put("train.bin", Elements<uint32_t>({1, 0xffffffff, 3, 4, 5}));
  options_.dtype = "uint32";
  EXPECT_EQ(Read(*Open(), 0), (std::vector<uint32_t>{1, 0xffffffff, 3, 4}));
}

TEST_F(TokenSourceTest, NumPyArraysBringTheirType) {
  options_.path = Put("t.npy", MakeNpy("<u4", "(5,)", Elements<uint32_t>({1, 70000, 3, 4, 5})));
  EXPECT_EQ(Read(*Open(), 0), (std::vector<uint32_t>{1, 70000, 3, 4}));
  options_.path = Put("t.npy", MakeNpy("<i8", "(5,)", Elements<int64_t>({1, 2, 3, 4, 5})));
  ExpectRefused("expected tokens, uint16 or uint32 [N], found '<i8' of 1 axes");
}

TEST_F(TokenSourceTest, TheSplitChoosesAFileOfADirectory) {
  Put("val.bin", Elements(Counted<uint16_t>(4)));
  options_.path = directory_.path();
  EXPECT_EQ(Open()->num_samples(), 2u);
  options_.split = "val";
  EXPECT_EQ(Open()->num_samples(), 1u);
  options_.path = directory_.File("{split}.bin");
  EXPECT_EQ(Open()->num_samples(), 1u);
}

TEST_F(TokenSourceTest, DocumentsAreCutIntoWindows) {
  const auto source = OpenDocuments({0, 2, 2, 11});
  ASSERT_EQ(source->num_samples(), 4u) << "1 of the first document, none of the empty one, 3 of the last";
  EXPECT_EQ(source->max_tokens(), 4u);
  EXPECT_EQ(Read(*source, 0), (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(Read(*source, 1), (std::vector<uint32_t>{2, 3, 4, 5}));
  EXPECT_EQ(Read(*source, 3), (std::vector<uint32_t>{10}));
  options_.window = 0;
  const auto whole = Open();
  EXPECT_EQ(whole->num_samples(), 2u);
  EXPECT_EQ(whole->max_tokens(), 9u);
  EXPECT_EQ(Read(*whole, 1).size(), 9u);
}

TEST_F(TokenSourceTest, FindsEachOfManyDocuments) {
  // Document d has d mod 7 tokens, windows of 4.
  std::vector<uint64_t> offsets = {0};
  for (uint64_t d = 0; d < 1024; ++d) offsets.push_back(offsets.back() + d % 7);
  Put("train.bin", Elements(Counted<uint16_t>(offsets.back())));
  const auto source = OpenDocuments(offsets);
  uint64_t id = 0;
  for (uint64_t d = 0; d < 1024; ++d) {
    for (uint64_t begin = offsets[d]; begin < offsets[d + 1]; begin += 4) {
      std::vector<uint32_t> expected(std::min<uint64_t>(4, offsets[d + 1] - begin));
      std::iota(expected.begin(), expected.end(), static_cast<uint32_t>(begin));
      ASSERT_EQ(Read(*source, id++), expected) << "document " << d;
    }
  }
  EXPECT_EQ(source->num_samples(), id);
}

TEST_F(TokenSourceTest, RefusesTokensOfAnotherWidth) {
  options_.dtype = "uint32";
  ExpectRefused("22 bytes are no whole number of tokens of 4 bytes; is data.dtype uint32?");
  Put("train.bin", Elements(Counted<uint16_t>(12)));
  options_.window = 2;
  EXPECT_THAT(
      [&] {
        OpenDocuments({0, 12});
      },
      FailsWith(ErrorCode::kInvalidArgument, "ends at 6 of 4 bytes each; are data.dtype and data.documents right?"));
  options_.dtype = "int8";
  ExpectRefused("data.dtype is 'int8', expected 'uint16' or 'uint32'");
}

TEST_F(TokenSourceTest, RefusesWindowsThatCannotBe) {
  options_.window = 0;
  ExpectRefused("data.window is not set");
  options_.window = 12;
  ExpectRefused("11 tokens are less than one window of 12 (data.window)");
  Put("train.bin", "");
  ExpectRefused("no tokens");
}

TEST_F(TokenSourceTest, RefusesOffsetsThatDoNotFit) {
  const auto expect_refused = [&](const std::vector<uint64_t>& offsets, const std::string& text) {
    EXPECT_THAT([&] { OpenDocuments(offsets); }, FailsWith(ErrorCode::kInvalidArgument, text));
  };
  expect_refused({1, 11}, "offset 0 is 1, expected 0");
  expect_refused({0, 5, 4, 11}, "offset 2 is 4, expected at least 5");
  expect_refused({0, 5}, "the documents end at token 5");
  expect_refused({0}, "8 bytes; expected token offsets of 8 bytes each");
  options_.documents = Put("train.idx", "123456789");
  ExpectRefused("9 bytes; expected token offsets of 8 bytes each");
  options_.kind = "documents";
  options_.documents = "";
  ExpectRefused("data.documents is not set");
}

TEST_F(TokenSourceTest, FingerprintsFollowTheTokensAndTheDocuments) {
  const auto fingerprint = [&] { return Open()->Identity().at("fingerprint").get<std::string>(); };
  const std::string before = fingerprint();
  EXPECT_EQ(fingerprint(), before);
  auto tokens = Counted<uint16_t>(11);
  tokens[6] = 60000;
  Put("train.bin", Elements(tokens));
  EXPECT_NE(fingerprint(), before);
  const auto documents = OpenDocuments({0, 3, 11})->Identity();
  EXPECT_NE(OpenDocuments({0, 4, 11})->Identity(), documents);
}

TEST_F(TokenSourceTest, FingerprintOfTheContentIsReadOnce) {
  std::vector<uint32_t> tokens = Counted<uint32_t>(1 << 20);
  Put("train.bin", Elements(tokens));
  options_.dtype = "uint32";
  options_.fingerprint = "content";
  int num_reads = 0;
  options_.progress = [&](uint64_t done, uint64_t all) { num_reads += done == all; };
  const auto identity = Open()->Identity();
  EXPECT_EQ(Open()->Identity(), identity);
  EXPECT_EQ(num_reads, 1) << "the digest is in train.bin.index";
  tokens[500001] = 5;
  Put("train.bin", Elements(tokens));
  EXPECT_NE(Open()->Identity(), identity);
  EXPECT_EQ(num_reads, 2);
}

TEST_F(TokenSourceTest, ImagesAreToldApart) {
  EXPECT_THAT([&] { OpenImageSource(options_); },
              FailsWith(ErrorCode::kInvalidArgument, "tokens, but images are needed here"));
  EXPECT_EQ(OpenSource(options_)->num_samples(), 2u);
  options_.path = DECANT_SOURCE_DIR "/examples/digits/digits.npz";
  ExpectRefused("images, but tokens are needed here");
}

}  // namespace
}  // namespace decant
