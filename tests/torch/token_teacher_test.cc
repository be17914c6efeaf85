#include <cstdlib>

#include "decant/base/file.h"
#include "decant/producer/teacher.h"

#include "torch/teacher_files.h"
#include "unit/errors.h"

namespace decant {
namespace {

// A language model of 16 tokens, in which `weight` [16, 4] embeds and is read out.
class TokenTeacherTest : public TeacherFiles {
 protected:
  static std::vector<uint32_t> Prefix(const std::vector<uint32_t>& tokens, size_t n) {
    return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n)};
  }
  // Row `position` is the mean of the embeddings up to there, against all embeddings.
  const std::string causal_ =
      "  e = torch.embedding(self.weight, x)\n"
      "  n = torch.arange(1, x.size(1) + 1).unsqueeze(1)\n"
      "  return torch.matmul(torch.cumsum(e, 1) / n, self.weight.t())\n";
  const std::vector<uint32_t> tokens_ = {3, 1, 4, 1, 5, 9, 2, 6};
};

TEST_F(TokenTeacherTest, LabelsThePositionsThatAreAskedFor) {
  const std::string path = SaveScript(causal_);
  Teacher teacher({.path = {path}, .batch_size = 3}, {.tokens = 8});
  EXPECT_EQ(teacher.num_classes(), 16u);
  const CodecParams params = {.num_classes = 16, .k = 4, .true_label = true};
  LabelSelector selector(params, {}, 0);
  const std::vector<uint32_t> all = {0, 1, 2, 3, 4, 5, 6, 7}, some = {1, 4}, next = {1, 4, 1, 5, 9, 2, 6, 0};
  const std::vector<uint32_t> next_of_some = {4, 9}, shorter = Prefix(tokens_, 5);
  LabelBatch labels;
  const TokenWindow windows[] = {
      {.epoch = 1, .sample_id = 7, .tokens = tokens_, .positions = all, .true_classes = next},
      {.epoch = 1, .sample_id = 8, .tokens = shorter, .positions = some, .true_classes = next_of_some}};
  teacher.LabelTokens(windows, &selector, &labels);
  teacher.LabelTokens(std::span(windows).first(1), &selector, &labels);
  EXPECT_EQ(labels.window_offsets, (std::vector<uint32_t>{0, 8, 10, 18}));

  auto module = torch::jit::load(path);
  const torch::Tensor input = torch::tensor(std::vector<int64_t>(tokens_.begin(), tokens_.end())).unsqueeze(0);
  const torch::Tensor logits = module.forward({input}).toTensor()[0].detach().contiguous();
  for (uint32_t i = 0; i < 8; ++i) {
    LabelBatch expected;
    selector.Append({logits[i].data_ptr<float>(), 16}, {.true_class = next[i]}, &expected);
    const auto ids = labels.LabelIds(i);
    EXPECT_EQ(std::vector(ids.begin(), ids.end()), expected.ids) << i;
    EXPECT_NEAR(labels.true_log_probs[i], expected.true_log_probs[0], 1e-5f);
  }
  for (size_t i = 0; i < some.size(); ++i) {
    const auto ids = labels.LabelIds(8 + i), of_whole = labels.LabelIds(some[i]);
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), of_whole.begin(), of_whole.end())) << "padding shows";
  }
}

TEST_F(TokenTeacherTest, ANetworkWithASecondArgumentGetsTheMask) {
  const std::string body =
      "  e = torch.embedding(self.weight, x) * mask.unsqueeze(2)\n"
      "  return torch.matmul(e + e.sum(1, keepdim=True), self.weight.t())\n";
  const std::string path = SaveScript(body, 1, "x, mask");
  Teacher padded({.path = {path}, .batch_size = 2}, {.tokens = 8});
  Teacher exact({.path = {path}, .batch_size = 2}, {.tokens = 5});
  LabelSelector selector({.num_classes = 16, .k = 16}, {}, 0);
  const std::vector<uint32_t> tokens = Prefix(tokens_, 5), positions = {0, 4};
  const TokenWindow window = {.tokens = tokens, .positions = positions};
  LabelBatch with_padding, without;
  padded.LabelTokens({&window, 1}, &selector, &with_padding);
  exact.LabelTokens({&window, 1}, &selector, &without);
  ASSERT_EQ(with_padding.log_probs.size(), 32u);
  for (size_t i = 0; i < 32; ++i) EXPECT_NEAR(with_padding.log_probs[i], without.log_probs[i], 1e-5f);
}

TEST_F(TokenTeacherTest, IdentityHasTheWindowInsteadOfTheImage) {
  Teacher teacher({.path = {SaveScript(causal_)}}, {.tokens = 8});
  const nlohmann::json identity = teacher.Identity();
  EXPECT_EQ(identity["tokens"], 8);
  EXPECT_FALSE(identity.contains("mean") || identity.contains("image_size"));
  EXPECT_EQ(teacher.ProbeDigest(), teacher.ProbeDigest());
}

TEST_F(TokenTeacherTest, WhatDoesNotFitIsRefused) {
  const std::string path = SaveScript(causal_);
  Teacher teacher({.path = {path}, .batch_size = 1}, {.tokens = 4});
  LabelSelector selector({.num_classes = 16, .k = 4}, {}, 0);
  LabelBatch labels;
  const std::vector<uint32_t> unknown = {3, 16}, zero = {0}, two = {2};
  const auto label = [&](const TokenWindow& window) {
    return [&, window] { teacher.LabelTokens({&window, 1}, &selector, &labels); };
  };
  EXPECT_THAT(label({.sample_id = 9, .tokens = tokens_, .positions = zero}),
              FailsWith(ErrorCode::kInvalidArgument, "sample 9 has 8 tokens, but the teacher takes 1 to 4"));
  EXPECT_THAT(label({.tokens = unknown, .positions = two}), FailsWith(ErrorCode::kInvalidArgument, "position 2"));
  EXPECT_THAT(label({.tokens = unknown, .positions = zero}),
              FailsWith(ErrorCode::kInvalidArgument, "cannot run on tokens int64 [1, 4]"));
  EXPECT_THAT([&] { Teacher({.path = {SaveNative()}}, {.tokens = 4}); }, FailsWith(ErrorCode::kMismatch, "tokens"));
  EXPECT_THAT(
      [&] { Teacher({.path = {SaveScript("  return torch.embedding(self.weight, x)[:, 0]\n")}}, {.tokens = 4}); },
      FailsWith(ErrorCode::kInvalidArgument, "expected logits, float32 [64, 4, classes], found float32 [64, 4]"));
}

// What examples/export_teacher.py writes under Debian's PyTorch.
class PythonTeacherTest : public TeacherFiles {
 protected:
  std::string Export(const std::string& arguments) const {
    const std::string path = directory_.File("python.pt");
    const std::string command =
        "/usr/bin/python3 " DECANT_SOURCE_DIR "/examples/export_teacher.py " + path + " " + arguments + " >/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0);
    return path;
  }
  void SetUp() override {
    if (std::system("/usr/bin/python3 -c 'import torch' 2>/dev/null") != 0) GTEST_SKIP() << "no python3-torch";
  }
};

TEST_F(PythonTeacherTest, ADictOfOutputsIsRead) {
  const std::string path = Export("--kind dict --size 4");
  Teacher teacher({.path = {path}, .output = "logits"}, StripeSource::kShape);
  EXPECT_EQ(teacher.num_classes(), 10u);
  EXPECT_GT(teacher.num_parameters(), 100u);
  EXPECT_THAT([&] { Teacher({.path = {path}}, StripeSource::kShape); },
              FailsWith(ErrorCode::kInvalidArgument, "'logits' float32 [64, 10], 'features' float32 [64, 64]"));
}

TEST_F(PythonTeacherTest, ALanguageModelIsRead) {
  Teacher teacher({.path = {Export("--kind tokens --classes 50")}, .batch_size = 2}, {.tokens = 12});
  EXPECT_EQ(teacher.num_classes(), 50u);
  LabelSelector selector({.num_classes = 50, .k = 5}, {}, 0);
  const std::vector<uint32_t> tokens = {3, 49, 7}, positions = {0, 1, 2};
  const TokenWindow window = {.tokens = tokens, .positions = positions};
  LabelBatch labels;
  teacher.LabelTokens({&window, 1}, &selector, &labels);
  EXPECT_EQ(labels.size(), 3u);
}

}  // namespace
}  // namespace decant
