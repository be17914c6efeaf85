#include <clocale>
#include <filesystem>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/base/hash.h"
#include "decant/data/open_source.h"

#include "unit/errors.h"
#include "unit/image_maker.h"
#include "unit/put_file.h"
#include "unit/tar_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class TarSourceTest : public testing::Test {
 protected:
  std::unique_ptr<ImageSource> Open(const std::string& path) {
    options_.path = path;
    options_.threads = 2;
    return OpenImageSource(options_);
  }
  std::unique_ptr<ImageSource> OpenTar(const TarMembers& members, int format = ARCHIVE_FORMAT_TAR_USTAR) {
    WriteTar(tar_, members, format);
    return Open(tar_);
  }
  void ExpectRefused(const TarMembers& members, const std::string& text) {
    EXPECT_THAT([&] { OpenTar(members); }, FailsWith(ErrorCode::kInvalidArgument, text));
  }
  static std::string Jpeg(uint32_t side) { return EncodeJpeg(MakeImage(side, side, 3)); }
  static uint32_t SideOf(const ImageSource& source, uint64_t sample_id) {
    Image image;
    source.ReadImage(sample_id, &image);
    return image.shape.height;
  }

  const TemporaryDirectory directory_;
  const std::string tar_ = directory_.File("shard.tar");
  const TarMembers members_ = {{"./0001.jpg", Jpeg(9)},
                               {"./0001.cls", "12\n"},
                               {"./0001.json", "{}"},
                               {"./0002.cls", "3"},
                               {"./0002.PNG", EncodePng(MakeImage(10, 10, 3))}};
  SourceOptions options_;
};

TEST_F(TarSourceTest, GroupsMembersToSamples) {
  const auto source = OpenTar(members_);
  ASSERT_EQ(source->num_samples(), 2u);
  EXPECT_EQ(source->num_classes(), 13u);
  EXPECT_EQ(source->Label(0), 12u);
  EXPECT_EQ(source->Label(1), 3u);
  EXPECT_EQ(source->Name(1), "shard.tar/./0002.PNG");
  EXPECT_EQ(SideOf(*source, 1), 10u);
  EXPECT_EQ(SideOf(*source, 0), 9u);
  EXPECT_EQ(source->ContentHash(0), Xxh3(members_[0].second));
  EXPECT_EQ(source->Identity().at("kind"), "tar");
}

TEST_F(TarSourceTest, FindsPayloadsInEveryFormat) {
  const std::string long_name = std::string(120, 'd') + "/" + std::string(150, 'n');
  for (const int format : {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE}) {
    TarMembers members;
    for (uint32_t side = 8; side < 20; ++side) members.push_back({fmt::format("{}.jpg", side), Jpeg(side)});
    if (format != ARCHIVE_FORMAT_TAR_USTAR) members.push_back({long_name + ".jpg", Jpeg(20)});
    const auto source = OpenTar(members, format);
    ASSERT_EQ(source->num_samples(), members.size());
    for (uint64_t id = members.size(); id-- > 0;) {
      EXPECT_EQ(SideOf(*source, id), 8 + id) << format;
      EXPECT_EQ(source->ContentHash(id), Xxh3(members[id].second));
      EXPECT_EQ(source->Name(id), "shard.tar/" + members[id].first);
    }
  }
}

TEST_F(TarSourceTest, ReadsUnicodeNamesInEveryLocale) {
  ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
  WriteTar(tar_, {{"\u732b.jpg", Jpeg(8)}}, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
  for (const char* locale : {"C.UTF-8", "C"}) {
    std::setlocale(LC_CTYPE, locale);
    std::filesystem::remove(tar_ + ".index");
    EXPECT_EQ(Open(tar_)->Name(0), "shard.tar/\u732b.jpg") << locale;
  }
}

TEST_F(TarSourceTest, KeysEndAtTheFirstDotOfTheBasename) {
  const auto source = OpenTar({{"v1.5/a.jpg", Jpeg(8)},
                               {"v1.5/a.cls", "1"},
                               {"v1.5/a.mask.png", "not the image"},
                               {"v1.5/.hidden.jpg", "x"},
                               {"v1.5/noextension", "x"},
                               {"v1.5/b.jpg", Jpeg(9)},
                               {"v1.5/b.cls", "0"}});
  ASSERT_EQ(source->num_samples(), 2u);
  EXPECT_EQ(source->Name(0), "shard.tar/v1.5/a.jpg");
  EXPECT_EQ(SideOf(*source, 1), 9u);
}

TEST_F(TarSourceTest, ShardsOfADirectoryInTheOrderOfTheirNames) {
  std::filesystem::create_directories(directory_.File("data/val"));
  WriteTar(directory_.File("data/val/1.tar"), {{"c.jpg", Jpeg(10)}});
  WriteTar(directory_.File("data/val/0.tar"), {{"z.jpg", Jpeg(8)}, {"y.jpg", Jpeg(9)}});
  options_.split = "val";
  const auto source = Open(directory_.File("data"));
  ASSERT_EQ(source->num_samples(), 3u);
  EXPECT_EQ(source->num_classes(), 0u);
  for (uint64_t id = 0; id < 3; ++id) EXPECT_EQ(SideOf(*source, id), 8 + id);
  EXPECT_TRUE(std::filesystem::exists(directory_.File("data/val.index")));

  PutFile(directory_.File("shards.txt"), "data/val/1.tar\n\ndata/val/0.tar\n");
  const auto listed = Open(directory_.File("shards.txt"));
  EXPECT_EQ(SideOf(*listed, 0), 10u);
  EXPECT_NE(listed->Identity(), source->Identity());
}

TEST_F(TarSourceTest, AChangedShardIsIndexedAgain) {
  EXPECT_EQ(OpenTar(members_)->num_samples(), 2u);
  const auto source = OpenTar({{"a.jpg", Jpeg(30)}});
  EXPECT_EQ(source->num_samples(), 1u);
  EXPECT_EQ(SideOf(*source, 0), 30u);
}

TEST_F(TarSourceTest, LeavesOutWhatCannotBeDecoded) {
  options_.undecodable = "skip";
  const auto source =
      OpenTar({{"a.jpg", "text"}, {"a.cls", "5"}, {"b.jpg", Jpeg(8)}, {"b.cls", "1"}, {"c.jpg", ""}, {"c.cls", "1"}});
  ASSERT_EQ(source->num_samples(), 1u);
  EXPECT_EQ(source->Label(0), 1u);
  EXPECT_EQ(SideOf(*source, 0), 8u);
  EXPECT_EQ(source->Identity().at("left_out"), (nlohmann::json{"shard.tar/a.jpg", "shard.tar/c.jpg"}));
}

TEST_F(TarSourceTest, TooManyThatCannotBeDecodedAreAnError) {
  TarMembers members;
  for (int i = 0; i <= 10000; ++i) members.push_back({fmt::format("{}.jpg", i), "x"});
  options_.undecodable = "skip";
  EXPECT_THAT([&] { OpenTar(members); },
              FailsWith(ErrorCode::kDataLoss, "more than 10000 images cannot be decoded, the last one: "));
}

TEST_F(TarSourceTest, NamesShardAndMemberOfADamagedImage) {
  const auto source = OpenTar({{"a.jpg", Jpeg(40).substr(0, 500)}});
  EXPECT_THAT([&] { SideOf(*source, 0); },
              FailsWith(ErrorCode::kDataLoss, "sample 0: " + tar_ + ", member 'a.jpg': damaged JPEG: "));
}

TEST_F(TarSourceTest, AnyTruncationIsToldWhenItIsIndexed) {
  WriteTar(tar_, members_);
  const std::string whole = ReadFile(tar_);
  // In headers, in payloads, between members, before the end's zeros.
  for (size_t size = 0; size + 1024 <= whole.size(); size += 256) {
    PutFile(tar_, whole.substr(0, size));
    EXPECT_THAT([&] { Open(tar_); }, FailsWith(ErrorCode::kDataLoss, tar_)) << size << " of " << whole.size();
  }
  PutFile(tar_, whole.substr(0, 512 + 300));
  EXPECT_THAT([&] { Open(tar_); }, FailsWith(ErrorCode::kDataLoss, "cut short: './0001.jpg' has "));
  PutFile(tar_, whole.substr(0, whole.size() - 1024));
  EXPECT_THAT([&] { Open(tar_); }, FailsWith(ErrorCode::kDataLoss, "cut short: no end of archive"));
}

TEST_F(TarSourceTest, AnyFlippedByteOfAHeaderIsAnErrorOrASample) {
  WriteTar(tar_, {{"a.jpg", Jpeg(8)}, {"a.cls", "1"}}, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
  const std::string whole = ReadFile(tar_);
  constexpr size_t kHeadersBytes = 3 * 512;  // pax, its values, the member's own
  for (size_t at = 0; at < kHeadersBytes; at += 13) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (at % 2 == 0 ? 0x80 : 0x01));
    PutFile(tar_, damaged);
    std::filesystem::remove(tar_ + ".index");
    try {
      CheckSource(*Open(tar_), 1);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kDataLoss || error.code() == ErrorCode::kInvalidArgument) << error.what();
    }
  }
}

TEST_F(TarSourceTest, AShardThatShrinksLaterIsToldWhenItIsRead) {
  const auto source = OpenTar(members_);
  std::filesystem::resize_file(tar_, 700);
  EXPECT_THAT([&] { SideOf(*source, 0); }, FailsWith(ErrorCode::kDataLoss, "700 bytes, the dataset's index expects"));
}

TEST_F(TarSourceTest, RefusesCompressedTars) {
  WriteTar(tar_, members_, ARCHIVE_FORMAT_TAR_USTAR, true);
  EXPECT_THAT([&] { Open(tar_); }, FailsWith(ErrorCode::kInvalidArgument, "a compressed tar"));
  std::filesystem::create_directories(directory_.File("data"));
  for (const std::string name : {"data/0.tar.gz", "data/0.tgz"}) {
    std::filesystem::rename(tar_, directory_.File(name));
    for (const std::string& path : {name, std::string("data")}) {
      EXPECT_THAT([&] { Open(directory_.File(path)); },
                  FailsWith(ErrorCode::kInvalidArgument, "unpack it with 'gunzip'"));
    }
    std::filesystem::rename(directory_.File(name), tar_);
  }
}

TEST_F(TarSourceTest, RefusesWhatIsNoTar) {
  PutFile(tar_, std::string(5000, 'x'));
  EXPECT_THAT([&] { Open(tar_); }, FailsWith(ErrorCode::kDataLoss, tar_ + ": not a sound tar"));
}

TEST_F(TarSourceTest, RefusesSamplesThatAreNotClear) {
  ExpectRefused({{"a.jpg", "x"}, {"a.png", "x"}}, "two images of one sample: 'a.jpg' and 'a.png'");
  ExpectRefused({{"a.jpg", "x"}, {"a.cls", "cat"}}, "'a.cls' holds no class number");
  ExpectRefused({{"a.jpg", "x"}, {"a.cls", "-1"}}, "'a.cls' holds no class number");
  ExpectRefused({{"a.jpg", "x"}, {"a.cls", "1"}, {"b.jpg", "x"}}, "sample 'b' has no .cls, unlike those before");
  ExpectRefused({{"a.jpg", "x"}, {"b.jpg", "x"}, {"b.cls", "1"}}, "sample 'b' has a .cls, unlike those before");
  ExpectRefused({{"a.webp", "x"}, {"a.cls", "1"}},
                "sample 'a' has a class but no .jpg, .jpeg or .png beside it (other members: .webp)");
  ExpectRefused({{"a.txt", "x"}}, "no .jpg, .jpeg or .png in 1 tar files");
  ExpectRefused({}, "no .jpg, .jpeg or .png in 1 tar files");
}

TEST_F(TarSourceTest, MoreShardsThanStayOpen) {
  std::filesystem::create_directories(directory_.File("many"));
  const std::string jpeg = Jpeg(8);
  for (int i = 0; i < 300; ++i) WriteTar(directory_.File(fmt::format("many/{:04}.tar", i)), {{"a.jpg", jpeg}});
  const auto source = Open(directory_.File("many"));
  EXPECT_EQ(source->num_samples(), 300u);
  for (int pass = 0; pass < 2; ++pass) EXPECT_TRUE(CheckSource(*source, 4).empty());
}

}  // namespace
}  // namespace decant
