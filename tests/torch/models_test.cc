#include <filesystem>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "decant/base/file.h"
#include "decant/models/checkpoint.h"
#include "decant/models/input.h"

#include "unit/errors.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

NetworkSpec Spec(const std::string& architecture) {
  NetworkSpec spec;
  spec.architecture = architecture;
  spec.height = 8;
  spec.width = 8;
  spec.channels = 1;
  spec.num_classes = 10;
  spec.features = 8;
  return spec;
}

class NetworkTest : public testing::TestWithParam<const char*> {};

TEST_P(NetworkTest, MapsImagesToLogits) {
  const auto network = MakeNetwork(Spec(GetParam()), 0);
  EXPECT_EQ(network->Forward(torch::randn({3, 1, 8, 8})).sizes(), (std::vector<int64_t>{3, 10}));
  EXPECT_GT(CountParameters(*network), 100u);
}

TEST_P(NetworkTest, ASampleDoesNotDependOnItsBatch) {
  const auto network = MakeNetwork(Spec(GetParam()), 0);
  const torch::Tensor images = torch::randn({4, 1, 8, 8});
  const torch::Tensor alone = network->Forward(images.slice(0, 2, 3));
  EXPECT_LT((network->Forward(images)[2] - alone[0]).abs().max().item<float>(), 1e-5f);
}

TEST_P(NetworkTest, SeedDecidesTheWeights) {
  const torch::Tensor images = torch::randn({2, 1, 8, 8});
  const torch::Tensor first = MakeNetwork(Spec(GetParam()), 5)->Forward(images);
  EXPECT_TRUE(torch::equal(first, MakeNetwork(Spec(GetParam()), 5)->Forward(images)));
  EXPECT_FALSE(torch::equal(first, MakeNetwork(Spec(GetParam()), 6)->Forward(images)));
}

TEST_P(NetworkTest, ComesBackFromItsCheckpoint) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/network.safetensors";
  const auto network = MakeNetwork(Spec(GetParam()), 3);
  SaveNetwork(path, Spec(GetParam()), *network);
  const LoadedNetwork loaded = LoadNetwork(path);
  EXPECT_EQ(loaded.spec, Spec(GetParam()));
  const torch::Tensor images = torch::randn({2, 1, 8, 8});
  EXPECT_TRUE(torch::equal(network->Forward(images), loaded.network->Forward(images)));
}

INSTANTIATE_TEST_SUITE_P(Architectures, NetworkTest, testing::Values("convnet", "vit"));

TEST(NetworkSpecTest, RefusesWhatDoesNotFit) {
  NetworkSpec spec = Spec("vit");
  spec.heads = 3;
  EXPECT_THAT([&] { spec.Validate(); }, FailsWith(ErrorCode::kInvalidArgument, "heads"));
  spec = Spec("vit");
  spec.patch_size = 3;
  EXPECT_THAT([&] { spec.Validate(); }, FailsWith(ErrorCode::kInvalidArgument, "patch_size"));
  spec = Spec("resnet50");
  EXPECT_THAT([&] { spec.Validate(); }, FailsWith(ErrorCode::kInvalidArgument, "architecture"));
  spec = Spec("convnet");
  spec.mean = {0.1, 0.2};
  EXPECT_THAT([&] { spec.Validate(); }, FailsWith(ErrorCode::kInvalidArgument, "mean"));
}

TEST(CheckpointTest, DamageIsFoundAtEveryByte) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/network.safetensors";
  NetworkSpec spec = Spec("convnet");
  spec.features = 1;
  SaveNetwork(path, spec, *MakeNetwork(spec, 0));
  const std::string sound = ReadFile(path);
  for (size_t offset = 0; offset < sound.size(); ++offset) {
    for (const int bits : {0x01, 0x10}) {
      std::string damaged = sound;
      damaged[offset] = static_cast<char>(damaged[offset] ^ bits);
      WriteFileAtomically(path, damaged);
      EXPECT_THAT([&] { LoadNetwork(path); }, FailsWith(ErrorCode::kDataLoss, path)) << "byte " << offset;
    }
  }
}

TEST(CheckpointTest, TruncationIsFoundAtEveryLength) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/network.safetensors";
  SaveNetwork(path, Spec("convnet"), *MakeNetwork(Spec("convnet"), 0));
  const std::string sound = ReadFile(path);
  for (size_t size = 0; size < sound.size(); size += 97) {
    WriteFileAtomically(path, sound.substr(0, size));
    EXPECT_THAT([&] { LoadNetwork(path); }, FailsWith(ErrorCode::kDataLoss, path)) << size;
  }
}

TEST(NormalisedInputTest, ScalesShiftsAndMovesChannelsFirst) {
  const torch::Tensor images =
      torch::tensor({0, 255, 51, 102}, torch::kUInt8).view({1, 1, 2, 2});  // H = 1, W = 2, C = 2
  const torch::Tensor input = NormalisedInput(images, {0.5, 0.0}, {0.25, 1.0});
  ASSERT_EQ(input.sizes(), (std::vector<int64_t>{1, 2, 1, 2}));
  EXPECT_NEAR(input[0][0][0][0].item<float>(), -2.0f, 1e-6f);
  EXPECT_NEAR(input[0][0][0][1].item<float>(), (0.2f - 0.5f) / 0.25f, 1e-6f);
  EXPECT_NEAR(input[0][1][0][0].item<float>(), 1.0f, 1e-6f);
  EXPECT_NEAR(input[0][1][0][1].item<float>(), 0.4f, 1e-6f);
}

}  // namespace
}  // namespace decant
