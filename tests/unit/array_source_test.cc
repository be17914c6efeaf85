#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/data/source.h"

#include "unit/errors.h"
#include "unit/npz_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

const std::string kDigits = DECANT_SOURCE_DIR "/examples/digits/digits.npz";

TEST(DigitsTest, HasItsShapesAndClasses) {
  for (const auto& [split, num_samples] : {std::pair("train", 1200u), std::pair("test", 597u)}) {
    const auto source = OpenArraySource(kDigits, split);
    EXPECT_EQ(source->num_samples(), num_samples);
    EXPECT_EQ(source->num_classes(), 10u);
    EXPECT_EQ(source->image_shape(), (ImageShape{.height = 8, .width = 8, .channels = 1}));
  }
}

TEST(DigitsTest, HoldsEveryDigitAboutAsOften) {
  const auto source = OpenArraySource(kDigits, "train");
  std::vector<int> counts(10);
  for (uint64_t id = 0; id < source->num_samples(); ++id) ++counts.at(source->Label(id));
  EXPECT_EQ(counts, (std::vector<int>{119, 121, 117, 121, 120, 123, 120, 118, 119, 122}));
}

TEST(DigitsTest, FirstImageIsAZero) {
  const auto source = OpenArraySource(kDigits, "train");
  Image image;
  source->ReadImage(0, &image);
  EXPECT_EQ(source->Label(0), 0u);
  // scikit-learn's first digit, times 255 / 16.
  const std::vector<int> sixteenths = {0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0};
  for (size_t i = 0; i < sixteenths.size(); ++i) {
    EXPECT_EQ(image.pixels[i], (sixteenths[i] * 255 + 8) / 16) << i;
  }
}

TEST(DigitsTest, IdentityHasAFingerprint) {
  const auto train = OpenArraySource(kDigits, "train")->Identity();
  EXPECT_EQ(train.at("kind"), "array");
  EXPECT_EQ(train.at("split"), "train");
  EXPECT_EQ(train.at("num_samples"), 1200);
  EXPECT_EQ(train.at("num_classes"), 10);
  EXPECT_EQ(train.at("image_shape"), (nlohmann::json{8, 8, 1}));
  EXPECT_EQ(train.at("fingerprint"), "xxh3-128:c6af2aee3bd563d72205c2c127648293");
  EXPECT_NE(OpenArraySource(kDigits, "test")->Identity(), train);
}

// A file of two images of 2x3 pixels and their labels, unless a test says otherwise.
class ArraySourceTest : public testing::Test {
 protected:
  std::unique_ptr<ImageSource> Open(const std::string& images, const std::string& labels) {
    WriteZip(path_, {{"x_train.npy", images}, {"y_train.npy", labels}});
    return OpenArraySource(path_, "train");
  }
  void ExpectRefused(const std::string& images, const std::string& labels, const std::string& text) {
    EXPECT_THAT([&] { Open(images, labels); }, FailsWith(ErrorCode::kInvalidArgument, text));
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("data.npz");
  const std::string images_ = MakeNpy("|u1", "(2, 2, 3)", "abcdefghijkl");
  const std::string labels_ = MakeNpy("|u1", "(2,)", Elements<uint8_t>({4, 1}));
};

TEST_F(ArraySourceTest, ReadsImagesAndLabels) {
  const auto source = Open(images_, labels_);
  EXPECT_EQ(source->num_samples(), 2u);
  EXPECT_EQ(source->num_classes(), 5u) << "one more than the largest label";
  EXPECT_EQ(source->image_shape(), (ImageShape{.height = 2, .width = 3, .channels = 1}));
  EXPECT_EQ(source->Label(1), 1u);
  Image image;
  source->ReadImage(1, &image);
  EXPECT_EQ(std::string(image.pixels.begin(), image.pixels.end()), "ghijkl");
}

TEST_F(ArraySourceTest, ReadsChannels) {
  const auto source = Open(MakeNpy("|u1", "(2, 1, 2, 3)", "abcdefghijkl"), labels_);
  EXPECT_EQ(source->image_shape(), (ImageShape{.height = 1, .width = 2, .channels = 3}));
}

TEST_F(ArraySourceTest, ReadsLabelsOfEveryWidth) {
  const auto expect_labels = [&](const std::string& labels) {
    const auto source = Open(images_, labels);
    EXPECT_EQ(source->Label(0), 4u);
    EXPECT_EQ(source->Label(1), 1u);
  };
  expect_labels(MakeNpy("<u2", "(2,)", Elements<uint16_t>({4, 1})));
  expect_labels(MakeNpy("<i4", "(2,)", Elements<int32_t>({4, 1})));
  expect_labels(MakeNpy("<i8", "(2,)", Elements<int64_t>({4, 1})));
}

TEST_F(ArraySourceTest, IdentityFollowsPixelsAndLabels) {
  const auto identity = Open(images_, labels_)->Identity();
  EXPECT_EQ(Open(images_, labels_)->Identity(), identity);
  EXPECT_EQ(Open(images_, MakeNpy("<i8", "(2,)", Elements<int64_t>({4, 1})))->Identity(), identity)
      << "the width of labels does not matter";
  EXPECT_NE(Open(MakeNpy("|u1", "(2, 2, 3)", "abcdefghijkm"), labels_)->Identity(), identity);
  EXPECT_NE(Open(images_, MakeNpy("|u1", "(2,)", Elements<uint8_t>({4, 2})))->Identity(), identity);
}

TEST_F(ArraySourceTest, NamesTheArrayThatIsMissing) {
  Open(images_, labels_);
  EXPECT_THAT([&] { OpenArraySource(path_, "test"); },
              FailsWith(ErrorCode::kNotFound, "no array 'y_test' (data.split); the file holds x_train, y_train"));
}

TEST_F(ArraySourceTest, NothingThereIsNotFound) {
  EXPECT_THAT([&] { OpenArraySource(path_, "train"); }, FailsWith(ErrorCode::kNotFound, path_));
}

TEST_F(ArraySourceTest, TruncatedFileIsAnError) {
  const std::string content = ReadFile(kDigits);
  for (const size_t size : {size_t{0}, size_t{100}, content.size() / 2}) {
    WriteFileAtomically(path_, content.substr(0, size));
    EXPECT_THROW(OpenArraySource(path_, "train"), Error) << size << " bytes";
  }
}

TEST_F(ArraySourceTest, RejectsImagesOfAnotherDtypeOrRank) {
  ExpectRefused(MakeNpy("<f4", "(2, 1, 1)", "12345678"), labels_, "found '<f4' of 3 axes");
  ExpectRefused(MakeNpy("|u1", "(2, 3)", "abcdef"), labels_, "found '|u1' of 2 axes");
  ExpectRefused(MakeNpy("|u1", "(2, 1, 1, 1, 1)", "ab"), labels_, "found '|u1' of 5 axes");
  ExpectRefused(MakeNpy("|u1", "(2, 0, 3)", ""), labels_, "images with a side of 0");
}

TEST_F(ArraySourceTest, RejectsLabelsThatAreNoClasses) {
  ExpectRefused(images_, MakeNpy("<f4", "(2,)", "12345678"), "labels of dtype '<f4'");
  ExpectRefused(images_, MakeNpy(">i4", "(2,)", "12345678"), "labels of dtype '>i4'");
  ExpectRefused(images_, MakeNpy("<i4", "(2,)", Elements<int32_t>({0, -1})), "label -1 of sample 1 is not a class");
  ExpectRefused(images_, MakeNpy("<i8", "(2,)", Elements<int64_t>({int64_t{1} << 31, 0})),
                "label 2147483648 of sample 0 is not a class");
}

TEST_F(ArraySourceTest, RejectsUnequalNumbersOfImagesAndLabels) {
  ExpectRefused(images_, MakeNpy("|u1", "(3,)", "abc"), "2 images in 'x_train' and 3 labels");
  ExpectRefused(images_, MakeNpy("|u1", "(2, 1)", "ab"), "2 images in 'x_train' and 2 labels");
  ExpectRefused(MakeNpy("|u1", "(0, 2, 2)", ""), MakeNpy("|u1", "(0,)", ""), "0 images");
}

TEST_F(ArraySourceTest, RefusesSamplesOutOfRange) {
  const auto source = Open(images_, labels_);
  Image image;
  EXPECT_THAT([&] { source->ReadImage(2, &image); }, FailsWith(ErrorCode::kInvalidArgument, "sample 2 is not below"));
}

}  // namespace
}  // namespace decant
