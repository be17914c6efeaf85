#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include <gtest/gtest.h>
#include <unistd.h>

#include "decant/base/file.h"
#include "decant/base/hash.h"
#include "decant/data/open_source.h"

#include "unit/errors.h"
#include "unit/image_maker.h"
#include "unit/put_file.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

// Two classes of two images each: train/{bird,cat}/{a.JPG,b/c.png}, of 8 + id pixels a side.
class FolderSourceTest : public testing::Test {
 protected:
  FolderSourceTest() {
    Put("train/cat/a.JPG", EncodeJpeg(MakeImage(10, 10, 3)));
    Put("train/cat/b/c.png", EncodePng(MakeImage(11, 11, 3)));
    Put("train/bird/z.jpeg", EncodeJpeg(MakeImage(9, 9, 1)));
    Put("train/bird/a.jpg", EncodeJpeg(MakeImage(8, 8, 3)));
    Put("train/bird/notes.txt", "no image");
    Put("train/bird/._a.jpg", "hidden");
    options_.path = directory_.path();
    options_.threads = 2;
  }
  std::string Put(const std::string& name, const std::string& content) {
    return PutFile(directory_.File(name), content);
  }
  std::unique_ptr<ImageSource> Open() { return OpenImageSource(options_); }
  nlohmann::json FreshIdentity() {
    fs::remove(directory_.File("train.index"));
    return Open()->Identity();
  }

  const TemporaryDirectory directory_;
  SourceOptions options_;
};

std::vector<std::string> Names(const Source& source) {
  std::vector<std::string> names;
  for (uint64_t id = 0; id < source.num_samples(); ++id) names.push_back(source.Name(id));
  return names;
}

uint32_t SideOf(const ImageSource& source, uint64_t sample_id) {
  Image image;
  source.ReadImage(sample_id, &image);
  EXPECT_EQ(image.pixels.size(), image.shape.num_bytes());
  return image.shape.height;
}

TEST_F(FolderSourceTest, DirectoriesAreClassesInTheOrderOfTheirNames) {
  const auto source = Open();
  EXPECT_EQ(Names(*source), (std::vector<std::string>{"bird/a.jpg", "bird/z.jpeg", "cat/a.JPG", "cat/b/c.png"}));
  EXPECT_EQ(source->num_classes(), 2u);
  EXPECT_EQ(source->channels(), 3u);
  EXPECT_EQ(source->image_shape(), std::nullopt);
  for (uint64_t id = 0; id < 4; ++id) {
    EXPECT_EQ(source->Label(id), id / 2);
    EXPECT_EQ(SideOf(*source, id), 8 + id);
  }
  EXPECT_EQ(source->ContentHash(3), Xxh3(ReadFile(directory_.File("train/cat/b/c.png"))));
}

TEST_F(FolderSourceTest, WithoutADirectoryOfTheSplitThePathIsTheDataset) {
  options_.path = directory_.File("train");
  options_.split = "all";
  EXPECT_EQ(Open()->num_samples(), 4u);
  EXPECT_TRUE(fs::exists(directory_.File("train.index")));
}

TEST_F(FolderSourceTest, TheIndexOfAnotherSplitIsNotTaken) {
  Put("test/dog/only.jpg", EncodeJpeg(MakeImage(9, 9, 3)));
  options_.index = directory_.File("one.index");
  EXPECT_EQ(Open()->num_samples(), 4u);
  options_.split = "test";
  EXPECT_EQ(Names(*Open()), std::vector<std::string>{"dog/only.jpg"});
}

TEST_F(FolderSourceTest, OpensAgainWithoutWalking) {
  const auto identity = Open()->Identity();
  Put("train/ant/new.jpg", EncodeJpeg(MakeImage(8, 8, 3)));
  Put("train/cat/new.jpg", EncodeJpeg(MakeImage(8, 8, 3)));
  fs::remove_all(directory_.File("train/bird"));
  const auto source = Open();
  EXPECT_EQ(source->num_samples(), 4u);
  EXPECT_EQ(source->Identity(), identity);
  EXPECT_EQ(SideOf(*source, 2), 10u);
  fs::remove(directory_.File("train.index"));
  EXPECT_EQ(Names(*Open()), (std::vector<std::string>{"ant/new.jpg", "cat/a.JPG", "cat/b/c.png", "cat/new.jpg"}));
}

TEST_F(FolderSourceTest, ATrustedIndexSparesEvenTheListingOfTheFolder) {
  const auto identity = Open()->Identity();
  Put("train/stray.tar", "no dataset has both");
  EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kInvalidArgument, "set data.kind"));
  options_.trust_index = true;
  EXPECT_EQ(Open()->Identity(), identity);
}

TEST_F(FolderSourceTest, AChangedFileIsToldWhenItIsRead) {
  const auto source = Open();
  const std::string path = Put("train/bird/a.jpg", EncodeJpeg(MakeImage(30, 30, 3)));
  EXPECT_THAT([&] { SideOf(*source, 0); }, FailsWith(ErrorCode::kDataLoss, "sample 0: " + path));
  EXPECT_THAT([&] { SideOf(*source, 0); }, FailsWith(ErrorCode::kDataLoss, "delete the index"));
  fs::remove(path);
  EXPECT_THAT([&] { SideOf(*source, 0); }, FailsWith(ErrorCode::kDataLoss, "read " + path));
}

TEST_F(FolderSourceTest, IdentityFollowsNamesSizesClassesAndWhatChangesPixels) {
  const auto identity = Open()->Identity();
  EXPECT_EQ(identity.at("kind"), "folder");
  EXPECT_EQ(identity.at("split"), "train");
  EXPECT_EQ(identity.at("num_samples"), 4);
  EXPECT_EQ(identity.at("num_classes"), 2);
  EXPECT_EQ(identity.at("channels"), 3);
  EXPECT_FALSE(identity.contains("left_out"));
  EXPECT_EQ(FreshIdentity(), identity);
  options_.channels = 1;
  EXPECT_NE(Open()->Identity().at("fingerprint"), identity.at("fingerprint"));
  options_.channels = 3;
  options_.min_side = 4;
  EXPECT_EQ(Open()->Identity().at("min_side"), 4);
  EXPECT_NE(Open()->Identity().at("fingerprint"), identity.at("fingerprint"));
  options_.min_side = 0;
  fs::rename(directory_.File("train/cat/a.JPG"), directory_.File("train/cat/b.JPG"));
  EXPECT_NE(FreshIdentity().at("fingerprint"), identity.at("fingerprint"));
  fs::rename(directory_.File("train/cat/b.JPG"), directory_.File("train/cat/a.JPG"));
  EXPECT_EQ(FreshIdentity(), identity);
}

TEST_F(FolderSourceTest, FingerprintOfTheContentSeesAByteThatThatOfNamesDoesNot) {
  const std::string path = directory_.File("train/cat/b/c.png");
  std::string content = ReadFile(path);
  const auto fingerprints = [&] {
    std::vector<std::string> both;
    for (const std::string kind : {"names", "content"}) {
      options_.fingerprint = kind;
      both.push_back(FreshIdentity().at("fingerprint"));
    }
    return both;
  };
  const auto before = fingerprints();
  content.back() ^= 1;
  PutFile(path, content);
  const auto after = fingerprints();
  EXPECT_EQ(before[0], after[0]);
  EXPECT_NE(before[1], after[1]);
  EXPECT_TRUE(before[1].starts_with("content-xxh3-128:"));
}

TEST_F(FolderSourceTest, HashesAreAddedToAnIndexThatHasNone) {
  const auto before = Open();
  options_.fingerprint = "content";
  const auto source = Open();
  for (uint64_t id = 0; id < 4; ++id) EXPECT_EQ(source->ContentHash(id), before->ContentHash(id));
  fs::remove_all(directory_.File("train/cat"));
  EXPECT_EQ(Open()->ContentHash(3), source->ContentHash(3)) << "it is in the index";
}

TEST_F(FolderSourceTest, WhatCannotBeDecodedIsNamedWhenItIsRead) {
  const std::string jpeg = ReadFile(directory_.File("train/bird/a.jpg"));
  const std::string path = Put("train/bird/a.jpg", jpeg.substr(0, jpeg.size() / 2));
  Put("train/bird/z.jpeg", "");
  const auto source = Open();
  EXPECT_THAT([&] { SideOf(*source, 0); }, FailsWith(ErrorCode::kDataLoss, "sample 0: " + path + ": damaged JPEG: "));
  EXPECT_THAT([&] { SideOf(*source, 0); },
              FailsWith(ErrorCode::kDataLoss, "data.undecodable = \"skip\" leaves such samples out"));
  EXPECT_THAT([&] { SideOf(*source, 1); }, FailsWith(ErrorCode::kDataLoss, "z.jpeg: empty"));
  const auto undecodable = CheckSource(*source, 2);
  ASSERT_EQ(undecodable.size(), 2u);
  EXPECT_EQ(undecodable[0].sample_id, 0u);
  EXPECT_EQ(undecodable[0].name, "bird/a.jpg");
  EXPECT_EQ(undecodable[1].name, "bird/z.jpeg");
}

TEST_F(FolderSourceTest, WhatCannotBeDecodedIsLeftOut) {
  const std::string jpeg = ReadFile(directory_.File("train/bird/a.jpg"));
  Put("train/bird/a.jpg", jpeg.substr(0, jpeg.size() / 2));
  Put("train/cat/empty.png", "");
  Put("train/cat/wide.png", EncodePng(MakeImage(1, 20000, 1)));
  fs::create_symlink("nowhere.jpg", directory_.File("train/cat/link.jpg"));
  options_.undecodable = "skip";
  uint64_t last_progress = 0;
  options_.progress = [&](uint64_t done, uint64_t all) {
    EXPECT_EQ(all, 7u);
    last_progress = done;
  };
  const auto source = Open();
  EXPECT_EQ(last_progress, 7u);
  EXPECT_EQ(Names(*source), (std::vector<std::string>{"bird/z.jpeg", "cat/a.JPG", "cat/b/c.png"}));
  EXPECT_EQ(source->Label(0), 0u);
  EXPECT_EQ(source->Label(1), 1u);
  EXPECT_EQ(SideOf(*source, 1), 10u);
  EXPECT_EQ(source->ContentHash(2), Xxh3(ReadFile(directory_.File("train/cat/b/c.png"))));
  EXPECT_EQ(source->Identity().at("left_out"),
            (nlohmann::json{"bird/a.jpg", "cat/empty.png", "cat/link.jpg", "cat/wide.png"}));
  EXPECT_TRUE(CheckSource(*source, 1).empty());
  EXPECT_EQ(Open()->Identity(), source->Identity());
}

TEST_F(FolderSourceTest, NothingThatCanBeDecodedIsAnError) {
  for (const std::string name : {"cat/a.JPG", "cat/b/c.png", "bird/z.jpeg", "bird/a.jpg"}) Put("train/" + name, "text");
  options_.undecodable = "skip";
  EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kDataLoss, "none of 4 images can be decoded, the first one: "));
  EXPECT_FALSE(fs::exists(directory_.File("train.index")));
}

TEST_F(FolderSourceTest, ADamagedIndexIsToldAndNotBuiltAgain) {
  Open();
  const std::string path = directory_.File("train.index");
  const std::string content = ReadFile(path);
  PutFile(path, content.substr(0, content.size() - 1));
  EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kDataLoss, "damaged index"));
  PutFile(path, "somebody's notes, which are longer than the header of an index is");
  EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kDataLoss, "not an index of a dataset"));
  options_.index = directory_.File("other.{split}");
  EXPECT_EQ(Open()->num_samples(), 4u);
  EXPECT_TRUE(fs::exists(directory_.File("other.train")));
}

TEST_F(FolderSourceTest, DirectoriesWithoutClassesOrImagesAreErrors) {
  options_.kind = "folder";
  options_.path = directory_.File("train/cat/b");
  EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kInvalidArgument,
                                         "no directories in it, of which each would be a class; it holds 1 images"));
  fs::create_directories(directory_.File("empty/class"));
  options_.path = directory_.File("empty");
  EXPECT_THAT([&] { Open(); },
              FailsWith(ErrorCode::kInvalidArgument, "no .jpg, .jpeg or .png file in its 1 directories"));
  options_.kind = "auto";
  options_.path = directory_.File("empty/class");
  EXPECT_THAT([&] { Open(); },
              FailsWith(ErrorCode::kInvalidArgument, "a directory with 0 directories and 0 files; set data.kind"));
  options_.path = directory_.File("nowhere");
  EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kNotFound, directory_.File("nowhere")));
}

// Root may read anything.
class AsNobody {
 public:
  AsNobody() : uid_(::geteuid()) {
    if (uid_ == 0 && ::seteuid(65534) != 0) FailErrno(errno, "become", "nobody");
  }
  ~AsNobody() {
    if (uid_ == 0 && ::seteuid(uid_) != 0) std::abort();
  }

 private:
  uid_t uid_;
};

TEST_F(FolderSourceTest, WhatTheUserMayNotReadIsAnErrorAndNeverLeftOut) {
  fs::permissions(directory_.path(), fs::perms::all);
  const std::string path = directory_.File("train/bird/a.jpg");
  fs::permissions(path, fs::perms::none);
  const AsNobody nobody;
  const auto source = Open();
  EXPECT_THAT([&] { SideOf(*source, 0); },
              FailsWith(ErrorCode::kUnavailable, "sample 0: cannot read " + path + ": Permission denied"));
  EXPECT_EQ(SideOf(*source, 1), 9u);
  options_.undecodable = "skip";
  EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kUnavailable, path + ": Permission denied"));
}

TEST_F(FolderSourceTest, AFolderThatCannotBeWrittenNeedsAnotherPlaceForTheIndex) {
  fs::permissions(directory_.path(), fs::perms(0555));
  const TemporaryDirectory elsewhere;
  fs::permissions(elsewhere.path(), fs::perms::all);
  {
    const AsNobody nobody;
    EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kUnavailable, "set data.index to a file that can be written"));
    options_.index = elsewhere.File("the.index");
    EXPECT_EQ(Open()->num_samples(), 4u);
  }
  fs::permissions(directory_.path(), fs::perms::owner_all);
}

class ListSourceTest : public FolderSourceTest {
 protected:
  std::unique_ptr<ImageSource> OpenList(const std::string& content) {
    options_.path = Put("train/list.txt", content);
    return Open();
  }
  void ExpectRefused(const std::string& content, const std::string& text) {
    EXPECT_THAT([&] { OpenList(content); }, FailsWith(ErrorCode::kInvalidArgument, text));
  }
};

TEST_F(ListSourceTest, TakesImagesAndClassesInTheOrderOfTheList) {
  const auto source = OpenList("cat/b/c.png\t7\r\n\nbird/a.jpg 3\n");
  EXPECT_EQ(Names(*source), (std::vector<std::string>{"cat/b/c.png", "bird/a.jpg"}));
  EXPECT_EQ(source->num_classes(), 8u);
  EXPECT_EQ(source->Label(0), 7u);
  EXPECT_EQ(source->Label(1), 3u);
  EXPECT_EQ(SideOf(*source, 0), 11u);
  EXPECT_EQ(source->Identity().at("kind"), "list");
}

TEST_F(ListSourceTest, ClassesMayBeMissing) {
  Put("train/a cat.png", EncodePng(MakeImage(5, 5, 3)));
  const auto source = OpenList("cat/a.JPG\na cat.png");
  EXPECT_EQ(source->num_classes(), 0u);
  EXPECT_EQ(source->Label(1), 0u);
  EXPECT_EQ(SideOf(*source, 1), 5u);
}

TEST_F(ListSourceTest, AChangedListIsReadAgain) {
  EXPECT_EQ(OpenList("cat/a.JPG\t1\n")->num_samples(), 1u);
  EXPECT_EQ(OpenList("cat/a.JPG\t1\nbird/a.jpg\t0\n")->num_samples(), 2u);
}

TEST_F(ListSourceTest, RefusesLinesThatAreNotClear) {
  ExpectRefused("cat/a.JPG\t1\nbird/a.jpg\n", "list.txt:2: no class here, unlike the lines before");
  ExpectRefused("cat/a.JPG\nbird/a.jpg\t0\n", "list.txt:2: a class here, unlike the lines before");
  ExpectRefused("cat/a.JPG\tcat\n", "list.txt:1: expected a path, a tab and a class number, found 'cat/a.JPG\tcat'");
  ExpectRefused("cat/a.JPG\t-1\n", "list.txt:1: expected a path");
  ExpectRefused("cat/a.JPG\t4294967296\n", "list.txt:1: expected a path");
  ExpectRefused("some text\n", "neither .npz, .npy, .tar or .bin by name, nor a list of images or .tar files");
}

TEST_F(ListSourceTest, AMissingImageIsToldWhenItIsRead) {
  const auto source = OpenList("cat/gone.jpg\t1\n");
  EXPECT_THAT([&] { SideOf(*source, 0); }, FailsWith(ErrorCode::kDataLoss, "cat/gone.jpg: No such file"));
}

}  // namespace
}  // namespace decant
