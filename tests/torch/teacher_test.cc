#include "decant/producer/teacher.h"

#include <gtest/gtest.h>
#include <torch/script.h>

#include "decant/base/file.h"
#include "decant/models/checkpoint.h"

#include "torch/stripe_source.h"
#include "unit/errors.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class TeacherTest : public testing::Test {
 protected:
  // A TorchScript module of this body, with one parameter `weight` [16, 4].
  std::string SaveScript(const std::string& body) const {
    torch::jit::Module module("teacher");
    torch::manual_seed(1);
    module.register_parameter("weight", torch::randn({16, 4}), /*is_buffer=*/false);
    module.define("def forward(self, x):\n" + body);
    const std::string path = directory_.File("teacher.pt");
    module.save(path);
    return path;
  }
  std::string SaveNative() const {
    NetworkSpec spec;
    spec.height = 4;
    spec.width = 4;
    spec.channels = 1;
    spec.num_classes = 4;
    spec.features = 4;
    spec.mean = {0.25};
    const std::string path = directory_.File("teacher.safetensors");
    SaveNetwork(path, spec, *MakeNetwork(spec, 1));
    return path;
  }
  void ExpectRefused(const std::string& path, ErrorCode code, const std::string& text) const {
    EXPECT_THAT([&] { Teacher({.path = path}, StripeSource::kShape); }, FailsWith(code, text));
  }

  const TemporaryDirectory directory_;
  const StripeSource source_{50};
  const std::string linear_ = "  return torch.matmul(torch.flatten(x, 1), self.weight)\n";
};

TEST_F(TeacherTest, TorchScriptGivesTheModulesLogits) {
  const std::string path = SaveScript(linear_);
  Teacher teacher({.path = path, .mean = {0.5}, .std = {0.25}, .batch_size = 3}, StripeSource::kShape);
  EXPECT_EQ(teacher.num_classes(), 4u);
  EXPECT_EQ(teacher.num_parameters(), 64u);
  std::vector<uint8_t> images;
  Image image;
  for (size_t i = 0; i < 5; ++i) {
    source_.ReadImage(i, &image);
    images.insert(images.end(), image.pixels.begin(), image.pixels.end());
  }
  std::vector<float> logits;
  teacher.Logits(images.data(), 5, &logits);
  auto module = torch::jit::load(path);
  const torch::Tensor input =
      (torch::from_blob(images.data(), {5, 1, 4, 4}, torch::kUInt8).to(torch::kFloat32) / 255 - 0.5) / 0.25;
  const torch::Tensor expected = module.forward({input}).toTensor();
  const torch::Tensor found = torch::from_blob(logits.data(), {5, 4});
  EXPECT_LT((expected - found).abs().max().item<float>(), 1e-5f);
}

TEST_F(TeacherTest, NativeCheckpointBringsItsOwnNormalisation) {
  const Teacher teacher({.path = SaveNative(), .mean = {0.9}}, StripeSource::kShape);
  EXPECT_EQ(teacher.Identity()["kind"], "native");
  EXPECT_EQ(teacher.Identity()["mean"], nlohmann::json({0.25}));
}

TEST_F(TeacherTest, IdentityChangesWithTheFile) {
  const Teacher teacher({.path = SaveScript(linear_)}, StripeSource::kShape);
  const Teacher other({.path = SaveNative()}, StripeSource::kShape);
  EXPECT_NE(teacher.Identity()["digest"], other.Identity()["digest"]);
}

TEST_F(TeacherTest, AMissingFileIsNotFound) {
  ExpectRefused(directory_.File("absent.pt"), ErrorCode::kNotFound, "absent.pt");
}

TEST_F(TeacherTest, AFileOfAnotherKindIsRefused) {
  const std::string path = directory_.File("notes.txt");
  WriteFileAtomically(path, "these are not weights");
  ExpectRefused(path, ErrorCode::kInvalidArgument, "nor a TorchScript file");
  WriteFileAtomically(path, "");
  ExpectRefused(path, ErrorCode::kInvalidArgument, "nor a TorchScript file");
}

TEST_F(TeacherTest, ATruncatedTorchScriptFileIsRefused) {
  const std::string path = SaveScript(linear_);
  WriteFileAtomically(path, ReadFile(path).substr(0, 400));
  ExpectRefused(path, ErrorCode::kInvalidArgument, "nor a TorchScript file");
}

TEST_F(TeacherTest, OutputsThatAreNotLogitsAreRefused) {
  ExpectRefused(SaveScript("  return (x, x)\n"), ErrorCode::kInvalidArgument, "not a tensor");
  ExpectRefused(SaveScript("  return x\n"), ErrorCode::kInvalidArgument, "expected logits");
  ExpectRefused(SaveScript("  return torch.flatten(x, 1).double()\n"), ErrorCode::kInvalidArgument, "expected logits");
  ExpectRefused(SaveScript("  return torch.matmul(x, self.weight)\n"), ErrorCode::kInvalidArgument,
                "cannot run on images");
}

TEST_F(TeacherTest, AnOutputThatChangesItsShapeIsRefused) {
  const std::string path = SaveScript(
      "  y = torch.matmul(torch.flatten(x, 1), self.weight)\n  if bool(x.max() > 0):\n    y = y[:, :2]\n  return y\n");
  Teacher teacher({.path = path}, StripeSource::kShape);
  std::vector<uint8_t> images(16, 255);
  std::vector<float> logits;
  EXPECT_THAT([&] { teacher.Logits(images.data(), 1, &logits); },
              FailsWith(ErrorCode::kInvalidArgument, "expected logits float32 [64, 4], found Float [64, 2]"));
}

TEST_F(TeacherTest, ANetworkForImagesOfAnotherSizeIsRefused) {
  const std::string path = SaveNative();
  EXPECT_THAT([&] { Teacher({.path = path}, ImageShape{8, 8, 1}); }, FailsWith(ErrorCode::kMismatch, "8 x 8 x 1"));
}

}  // namespace
}  // namespace decant
