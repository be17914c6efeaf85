#include <gtest/gtest.h>

#include "decant/base/hash.h"
#include "decant/data/open_source.h"

#include "unit/errors.h"
#include "unit/npz_maker.h"
#include "unit/put_file.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

// Two images of 2x3 pixels.
class NpySourceTest : public testing::Test {
 protected:
  std::string Put(const std::string& name, const std::string& content) {
    return PutFile(directory_.File(name), content);
  }
  std::unique_ptr<ImageSource> Open() { return OpenImageSource(options_); }
  void ExpectRefused(const std::string& images, const std::string& text, ErrorCode code = ErrorCode::kInvalidArgument) {
    Put("x.npy", images);
    EXPECT_THAT([&] { Open(); }, FailsWith(code, text));
  }
  void ExpectLabelsRefused(const std::string& labels, const std::string& text) {
    options_.labels = Put("y.npy", labels);
    EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kInvalidArgument, text));
  }

  const TemporaryDirectory directory_;
  const std::string images_ = MakeNpy("|u1", "(2, 2, 3)", "abcdefghijkl");
  SourceOptions options_{.path = Put("x.npy", images_)};
};

TEST_F(NpySourceTest, ReadsImagesWithoutLabels) {
  const auto source = Open();
  EXPECT_EQ(source->num_samples(), 2u);
  EXPECT_EQ(source->num_classes(), 0u);
  EXPECT_EQ(source->Label(1), 0u);
  EXPECT_EQ(source->image_shape(), (ImageShape{.height = 2, .width = 3, .channels = 1}));
  Image image;
  source->ReadImage(1, &image);
  EXPECT_EQ(std::string(image.pixels.begin(), image.pixels.end()), "ghijkl");
  EXPECT_EQ(source->ContentHash(1), Xxh3("ghijkl"));
  EXPECT_THAT([&] { source->ReadImage(2, &image); }, FailsWith(ErrorCode::kInvalidArgument, "sample 2 is not below"));
}

TEST_F(NpySourceTest, ReadsLabelsAndChannels) {
  Put("x_train.npy", MakeNpy("|u1", "(2, 1, 2, 3)", "abcdefghijkl"));
  Put("y_train.npy", MakeNpy("<i8", "(2,)", Elements<int64_t>({4, 1})));
  options_.path = directory_.File("x_{split}.npy");
  options_.labels = directory_.File("y_{split}.npy");
  const auto source = Open();
  EXPECT_EQ(source->image_shape(), (ImageShape{.height = 1, .width = 2, .channels = 3}));
  EXPECT_EQ(source->num_classes(), 5u);
  EXPECT_EQ(source->Label(0), 4u);
}

TEST_F(NpySourceTest, RefusesOtherArrays) {
  ExpectRefused(MakeNpy("<f4", "(2, 1, 1)", "12345678"),
                "expected uint8 [N, H, W] or [N, H, W, C], found '<f4' of 3 axes");
  ExpectRefused(MakeNpy("|u1", "(2, 3)", "abcdef"), "found '|u1' of 2 axes");
  ExpectRefused(MakeNpy("|u1", "(0, 2, 3)", ""), "no images");
  ExpectRefused(MakeNpy("|u1", "(2, 0, 3)", ""), "images with a side of 0");
  ExpectRefused(images_ + "m", "expected 12 bytes of elements, found 13", ErrorCode::kDataLoss);
  ExpectRefused(images_.substr(0, images_.size() - 1), "expected 12 bytes of elements, found 11", ErrorCode::kDataLoss);
  ExpectRefused("text", "truncated", ErrorCode::kDataLoss);
}

TEST_F(NpySourceTest, RefusesLabelsThatDoNotFit) {
  ExpectLabelsRefused(MakeNpy("|u1", "(3,)", "abc"),
                      "expected the classes of 2 images, [2], found 1 axes and 3 elements");
  ExpectLabelsRefused(MakeNpy("|u1", "()", "a"), "found 0 axes");
  ExpectLabelsRefused(MakeNpy("<i4", "(2,)", Elements<int32_t>({1, -1})), "element 1 is -1: out of range");
  ExpectLabelsRefused(MakeNpy("<u4", "(2,)", Elements<uint32_t>({1, 1u << 31})),
                      "label 2147483648 of sample 1 is not a class");
}

TEST_F(NpySourceTest, FingerprintsFollowPixelsAndLabels) {
  for (const std::string kind : {"names", "content"}) {
    Put("x.npy", images_);
    options_.fingerprint = kind;
    options_.labels.clear();
    const auto identity = Open()->Identity();
    EXPECT_EQ(Open()->Identity(), identity);
    EXPECT_EQ(identity.at("kind"), "arrays");
    options_.labels = Put("y.npy", MakeNpy("|u1", "(2,)", "ab"));
    EXPECT_NE(Open()->Identity(), identity);
    options_.labels.clear();
    Put("x.npy", MakeNpy("|u1", "(2, 2, 3)", "abcdefghijkX"));
    EXPECT_NE(Open()->Identity().at("fingerprint"), identity.at("fingerprint"));
  }
}

TEST_F(NpySourceTest, KeysOfOtherKindsAreRefused) {
  options_.documents = "x.idx";
  EXPECT_THAT([&] { Open(); },
              FailsWith(ErrorCode::kInvalidArgument, "data.documents is set, which only documents have"));
  options_.documents.clear();
  options_.path = DECANT_SOURCE_DIR "/examples/digits/digits.npz";
  EXPECT_EQ(Open()->Identity(), OpenArraySource(options_.path, "train")->Identity());
  options_.labels = "y.npy";
  EXPECT_THAT([&] { Open(); },
              FailsWith(ErrorCode::kInvalidArgument, "data.labels is set, which only .npy images have"));
  options_ = {.path = options_.path, .kind = "zip"};
  EXPECT_THAT([&] { Open(); }, FailsWith(ErrorCode::kInvalidArgument, "data.kind 'zip' is not known"));
}

}  // namespace
}  // namespace decant
