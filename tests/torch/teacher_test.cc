#include "decant/producer/teacher.h"

#include <cstring>
#include <thread>

#include <caffe2/serialize/inline_container.h>

#include "decant/base/file.h"

#include "torch/teacher_files.h"
#include "unit/errors.h"

namespace decant {
namespace {

constexpr ImageShape kShape = StripeSource::kShape;

class TeacherTest : public TeacherFiles {
 protected:
  void ExpectRefused(const TeacherOptions& options, ErrorCode code, const std::string& text) const {
    EXPECT_THAT([&] { Teacher(options, kShape); }, FailsWith(code, text));
  }
  static torch::Tensor LogitsOf(const TeacherOptions& options, size_t n) {
    Teacher teacher(options, kShape);
    std::vector<float> logits;
    teacher.Logits(Images(n).data(), n, &logits);
    return torch::tensor(logits).view({static_cast<int64_t>(n), -1});
  }
  // Copies a TorchScript file, with one text replaced in its code, as of a version of PyTorch's files.
  std::string Rewrite(const std::string& path, const std::string& from, const std::string& to, uint64_t version) const {
    const std::string copy = path + ".copy.pt";
    caffe2::serialize::PyTorchStreamReader reader(path);
    caffe2::serialize::PyTorchStreamWriter writer(copy);
    writer.setMinVersion(version);
    for (const std::string& name : reader.getAllRecords()) {
      if (name == "version" || name.starts_with(".data/") || name == "byteorder") continue;
      auto [data, size] = reader.getRecord(name);
      std::string content(static_cast<const char*>(data.get()), size);
      if (const size_t at = content.find(from); at != std::string::npos && name.ends_with(".py")) {
        content.replace(at, from.size(), to);
      }
      writer.writeRecord(name, content.data(), content.size());
    }
    writer.writeEndOfFile();
    return copy;
  }
};

TEST_F(TeacherTest, TorchScriptGivesTheModulesLogits) {
  const std::string path = SaveScript(linear_);
  Teacher teacher({.path = {path}, .mean = {0.5}, .std = {0.25}, .batch_size = 3}, kShape);
  EXPECT_EQ(teacher.num_classes(), 4u);
  EXPECT_EQ(teacher.num_parameters(), 64u);
  EXPECT_EQ(teacher.batch_size(), 3u);
  std::vector<uint8_t> images = Images(5);
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
  const Teacher teacher({.path = {SaveNative()}, .mean = {0.9}}, kShape);
  EXPECT_EQ(teacher.Identity()["kind"], "native");
  EXPECT_EQ(teacher.Identity()["mean"], nlohmann::json({0.25}));
}

TEST_F(TeacherTest, IdentityTellsAllThatLogitsDependOn) {
  const std::string path = SaveScript(linear_);
  const nlohmann::json identity = Teacher({.path = {path}}, kShape).Identity();
  const nlohmann::json expected = {{"digest", identity["digest"]},
                                   {"kind", "torchscript"},
                                   {"output", "logits"},
                                   {"precision", "fp32"},
                                   {"device", "cpu"},
                                   {"image_size", {4, 4}},
                                   {"mean", {0.5}},
                                   {"std", {0.5}},
                                   {"batch_size", 64},
                                   {"threads", 1}};
  EXPECT_EQ(identity, expected);
  EXPECT_NE(identity["digest"], Teacher({.path = {SaveScript(linear_, 2)}}, kShape).Identity()["digest"]);
}

TEST_F(TeacherTest, LabelsAreThoseOfTheLogits) {
  Teacher teacher({.path = {SaveScript(linear_)}, .batch_size = 8}, kShape);
  const CodecParams params = {.num_classes = 4, .k = 2, .temperatures = {1, 3}, .true_label = true};
  LabelSelector selector(params, {}, 0);
  std::vector<float> logits;
  teacher.Logits(Images(5).data(), 5, &logits);
  std::vector<SelectedView> views;
  LabelBatch expected, found;
  for (uint32_t i = 0; i < 5; ++i) {
    views.push_back({.epoch = 1, .sample_id = i, .true_class = i % 4});
    selector.Append(std::span(logits).subspan(i * 4, 4), views.back(), &expected);
  }
  teacher.Label(Images(5).data(), views, &selector, &found);
  EXPECT_EQ(found.ids, expected.ids);
  EXPECT_EQ(found.log_probs, expected.log_probs);
  EXPECT_EQ(found.other_tails, expected.other_tails);
  EXPECT_EQ(found.true_log_probs, expected.true_log_probs);
}

TEST_F(TeacherTest, ThreadsThatCallAtOnceGetTheSameBits) {
  for (const std::string& path : {SaveNative("vit", 64), SaveScript(linear_)}) {
    for (const uint32_t num_threads : {1, 2}) {
      const TeacherOptions options = {.path = {path}, .threads = num_threads};
      Teacher teacher(options, kShape);
      const std::vector<uint8_t> images = Images(100);
      std::vector<float> first;
      teacher.Logits(images.data(), 100, &first);
      std::vector<std::jthread> threads;
      for (size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
          std::vector<float> logits;
          for (int run = 0; run < 5; ++run) {
            teacher.Logits(images.data(), 100, &logits);
            EXPECT_EQ(logits, first);
          }
        });
      }
      threads.clear();
      std::string digest;
      std::jthread([&] { digest = teacher.ProbeDigest(); }).join();
      EXPECT_EQ(digest, Teacher(options, kShape).ProbeDigest());
    }
  }
}

TEST_F(TeacherTest, EveryThreadComputesWithTheTeachersNumberOfThreads) {
  Teacher teacher({.path = {SaveScript(linear_)}, .batch_size = 4, .threads = 2}, kShape);
  at::set_num_threads(1);
  int found = 0;
  std::jthread([&] {
    std::vector<float> logits;
    teacher.Logits(Images(4).data(), 4, &logits);
    found = at::get_num_threads();
  }).join();
  EXPECT_EQ(found, 2);
}

TEST_F(TeacherTest, TheProbeTellsTeachersApart) {
  Teacher teacher({.path = {SaveScript(linear_)}}, kShape);
  Teacher other({.path = {SaveScript(linear_, 2)}}, kShape);
  EXPECT_EQ(teacher.ProbeDigest().size(), 32u);
  EXPECT_NE(teacher.ProbeDigest(), other.ProbeDigest());
}

TEST_F(TeacherTest, TheProbeRefusesRandomLogits) {
  Teacher teacher({.path = {SaveScript("  y = torch.matmul(torch.flatten(x, 1), self.weight)\n"
                                       "  return torch.dropout(y, 0.5, True)\n")}},
                  kShape);
  EXPECT_THAT([&] { teacher.ProbeDigest(); }, FailsWith(ErrorCode::kInvalidArgument, "dropout"));
}

TEST_F(TeacherTest, OutputsArePickedByNameOrIndex) {
  const torch::Tensor expected = LogitsOf({.path = {SaveScript(linear_)}}, 5);
  const std::string with_features = "  y = torch.matmul(torch.flatten(x, 1), self.weight)\n  z = torch.flatten(x, 1)\n";
  const auto check = [&](const std::string& returned, const std::string& output) {
    const TeacherOptions options = {.path = {SaveScript(with_features + "  return " + returned + "\n")},
                                    .output = output};
    EXPECT_TRUE(torch::equal(LogitsOf(options, 5), expected)) << returned;
  };
  check("{'logits': y, 'features': z}", "logits");
  check("{'logits': y}", "");
  check("(z, y)", "1");
  check("[z, y]", "1");
  check("(y, 3)", "");
}

TEST_F(TeacherTest, AnUnclearOutputIsRefusedWithAList) {
  const std::string dict = SaveScript("  return {'logits': torch.flatten(x, 1), 'features': torch.flatten(x, 2)}\n");
  ExpectRefused({.path = {dict}}, ErrorCode::kInvalidArgument,
                "'logits' float32 [64, 16], 'features' float32 [64, 1, 16]; set teacher.output");
  ExpectRefused({.path = {dict}, .output = "logit"}, ErrorCode::kInvalidArgument, "no output 'logit'");
  const std::string tuple = SaveScript("  return (x, torch.flatten(x, 1), 7)\n");
  ExpectRefused({.path = {tuple}}, ErrorCode::kInvalidArgument, "set teacher.output");
  ExpectRefused({.path = {tuple}, .output = "3"}, ErrorCode::kInvalidArgument, "'2' Int");
  ExpectRefused({.path = {tuple}, .output = "2"}, ErrorCode::kInvalidArgument, "'2' is not a tensor");
  ExpectRefused({.path = {SaveScript("  return 7\n")}}, ErrorCode::kInvalidArgument, "not a tensor of logits");
  ExpectRefused({.path = {SaveScript(linear_)}, .output = "logits"}, ErrorCode::kInvalidArgument, "one tensor");
}

TEST_F(TeacherTest, OutputsThatAreNotLogitsAreRefused) {
  ExpectRefused({.path = {SaveScript("  return x\n")}}, ErrorCode::kInvalidArgument,
                "expected logits, float32 [64, classes], found float32 [64, 1, 4, 4]");
  ExpectRefused({.path = {SaveScript("  return torch.flatten(x, 1).double()\n")}}, ErrorCode::kInvalidArgument,
                "found float64 [64, 16]");
  ExpectRefused({.path = {SaveScript("  return torch.flatten(x, 1).argmax(1)\n")}}, ErrorCode::kInvalidArgument,
                "found int64 [64]");
  ExpectRefused({.path = {SaveScript("  return torch.flatten(x, 1)[:3]\n")}}, ErrorCode::kInvalidArgument,
                "found float32 [3, 16]");
  ExpectRefused({.path = {SaveScript("  return torch.matmul(x, self.weight)\n")}}, ErrorCode::kInvalidArgument,
                "cannot run on images float32 [64, 1, 4, 4]");
}

TEST_F(TeacherTest, AnOutputThatChangesItsShapeIsRefused) {
  const std::string path = SaveScript(
      "  y = torch.matmul(torch.flatten(x, 1), self.weight)\n  if bool(x.max() > 0):\n    y = y[:, :2]\n  return y\n");
  Teacher teacher({.path = {path}}, kShape);
  std::vector<uint8_t> images(16, 255);
  std::vector<float> logits;
  EXPECT_THAT([&] { teacher.Logits(images.data(), 1, &logits); },
              FailsWith(ErrorCode::kInvalidArgument, "expected logits, float32 [64, 4], found float32 [64, 2]"));
}

TEST_F(TeacherTest, LogitsThatAreNotFiniteNameTheSampleAndTheClass) {
  const std::string body = "  y = torch.matmul(torch.flatten(x, 1), self.weight)\n  y[1, 2] = float('nan')\n";
  Teacher teacher({.path = {SaveScript(body + "  return y\n")}}, kShape);
  LabelSelector selector({.num_classes = 4, .k = 2}, {}, 0);
  const std::vector<SelectedView> views = {{.epoch = 5, .sample_id = 70}, {.epoch = 5, .sample_id = 71}};
  LabelBatch labels;
  EXPECT_THAT([&] { teacher.Label(Images(2).data(), views, &selector, &labels); },
              FailsWith(ErrorCode::kInvalidArgument, "sample 71 in epoch 5: the logit of class 2 is nan"));
}

TEST_F(TeacherTest, HalfPrecisionIsCloseAndBecomesFloat32) {
  for (const std::string& path : {SaveScript(linear_), SaveNative("vit"), SaveNative("convnet")}) {
    const torch::Tensor exact = LogitsOf({.path = {path}}, 5);
    const torch::Tensor rounded = LogitsOf({.path = {path}, .precision = "bf16"}, 5);
    EXPECT_FALSE(torch::equal(rounded, exact)) << path;
    EXPECT_LT((rounded - exact).abs().max().item<float>(), 0.05f * exact.abs().max().item<float>()) << path;
    EXPECT_TRUE(torch::equal(rounded, rounded.to(torch::kBFloat16).to(torch::kFloat32)));
  }
}

TEST_F(TeacherTest, AFrozenFileCanBeHalfPrecisionToo) {
  const std::string path = SaveScript(linear_);
  auto module = torch::jit::load(path);
  module.eval();
  const std::string frozen = directory_.File("frozen.pt");
  torch::jit::freeze(module).save(frozen);
  EXPECT_EQ(Teacher({.path = {frozen}}, kShape).num_parameters(), 64u);
  EXPECT_TRUE(torch::equal(LogitsOf({.path = {frozen}}, 5), LogitsOf({.path = {path}}, 5)));
  EXPECT_TRUE(torch::equal(LogitsOf({.path = {frozen}, .precision = "bf16"}, 5),
                           LogitsOf({.path = {path}, .precision = "bf16"}, 5)));
}

TEST_F(TeacherTest, AnEnsembleAveragesProbabilities) {
  const std::string script = SaveScript(linear_), native = SaveNative();
  const torch::Tensor probs = 0.25 * torch::softmax(LogitsOf({.path = {script}}, 7), 1) +
                              0.75 * torch::softmax(LogitsOf({.path = {native}}, 7), 1);
  const TeacherOptions options = {.path = {script, native}, .weights = {1, 3}};
  EXPECT_LT((LogitsOf(options, 7).exp() - probs).abs().max().item<float>(), 1e-6f);
  const Teacher teacher(options, kShape);
  const nlohmann::json identity = teacher.Identity();
  EXPECT_EQ(identity["kind"], "ensemble");
  EXPECT_EQ(identity["members"][0]["kind"], "torchscript");
  EXPECT_EQ(identity["members"][1]["weight"], 0.75);
  EXPECT_EQ(identity["members"][1]["mean"], nlohmann::json({0.25}));
  EXPECT_GT(teacher.num_parameters(), 64u);
}

TEST_F(TeacherTest, AnEnsembleWhoseClassesDifferIsRefused) {
  const std::string path = SaveScript(linear_), wide = SaveScript("  return torch.flatten(x, 1)\n");
  ExpectRefused({.path = {path, wide}}, ErrorCode::kMismatch, "has 16 classes, but");
  ExpectRefused({.path = {path, path}, .weights = {1}}, ErrorCode::kInvalidArgument, "1 numbers for the 2 files");
  ExpectRefused({.path = {path, path}, .weights = {1, 0}}, ErrorCode::kInvalidArgument, "must be above 0");
  ExpectRefused({}, ErrorCode::kInvalidArgument, "names no file");
}

TEST_F(TeacherTest, AMissingFileIsNotFound) {
  ExpectRefused({.path = {directory_.File("absent.pt")}}, ErrorCode::kNotFound, "absent.pt");
}

TEST_F(TeacherTest, AFileOfAnotherKindIsRefused) {
  const std::string path = directory_.File("notes.txt");
  for (const char* content : {"these are not weights", "", "PK", "PK\3\4 and more"}) {
    WriteFileAtomically(path, content);
    ExpectRefused({.path = {path}}, ErrorCode::kInvalidArgument, "nor a TorchScript file");
  }
  WriteFileAtomically(path, "\x80\x02}q");
  ExpectRefused({.path = {path}}, ErrorCode::kInvalidArgument, "Python pickle");
}

TEST_F(TeacherTest, ATruncatedTorchScriptFileIsRefused) {
  const std::string path = SaveScript(linear_);
  WriteFileAtomically(path, ReadFile(path).substr(0, 400));
  ExpectRefused({.path = {path}}, ErrorCode::kInvalidArgument, "nor a TorchScript file");
}

TEST_F(TeacherTest, AFileOfWeightsIsNotATeacher) {
  const std::string path = directory_.File("state_dict.pt");
  torch::save(torch::ones({3}), path);  // TorchScript's container without code, as torch.save() writes it
  caffe2::serialize::PyTorchStreamWriter writer(path);
  writer.writeRecord("data.pkl", "\x80\x02}q.", 5);
  writer.writeEndOfFile();
  ExpectRefused({.path = {path}}, ErrorCode::kInvalidArgument, "holds weights without a network");
}

TEST_F(TeacherTest, AFileOfANewerPyTorchSaysSo) {
  const std::string path = SaveScript(linear_);
  EXPECT_NO_THROW(Teacher({.path = {Rewrite(path, "", "", 3)}}, kShape));
  ExpectRefused({.path = {Rewrite(path, "", "", 999)}}, ErrorCode::kInvalidArgument, "written by a newer PyTorch");
  ExpectRefused({.path = {Rewrite(path, "torch.matmul", "torch.operator_of_tomorrow", 3)}}, ErrorCode::kInvalidArgument,
                "operator_of_tomorrow");
  ExpectRefused({.path = {Rewrite(path, "torch.matmul", "torch.operator_of_tomorrow", 3)}}, ErrorCode::kInvalidArgument,
                "written by a newer PyTorch than the LibTorch " TORCH_VERSION);
}

TEST_F(TeacherTest, ANetworkForImagesOfAnotherSizeIsRefused) {
  const std::string path = SaveNative();
  EXPECT_THAT([&] { Teacher({.path = {path}}, ImageShape{8, 8, 1}); }, FailsWith(ErrorCode::kMismatch, "8 x 8 x 1"));
}

TEST_F(TeacherTest, OptionsThatMeanNothingAreRefused) {
  const std::string path = SaveScript(linear_);
  ExpectRefused({.path = {path}, .precision = "int8"}, ErrorCode::kInvalidArgument, "teacher.precision");
  ExpectRefused({.path = {path}, .precision = "fp16"}, ErrorCode::kInvalidArgument, "needs a CUDA device");
  ExpectRefused({.path = {path}, .device = "tpu"}, ErrorCode::kInvalidArgument, "teacher.device");
  ExpectRefused({.path = {path}, .device = "cuda:x"}, ErrorCode::kInvalidArgument, "teacher.device");
  ExpectRefused({.path = {path}, .batch_size = 0}, ErrorCode::kInvalidArgument, "teacher.batch_size");
  ExpectRefused({.path = {path}, .batch_size = 4000000000}, ErrorCode::kInvalidArgument, "teacher.batch_size");
  ExpectRefused({.path = {path}, .mean = {1, 2, 3}}, ErrorCode::kInvalidArgument, "teacher.mean");
}

TEST_F(TeacherTest, ADeviceThatIsNotThereIsUnavailable) {
  if (torch::cuda::is_available()) GTEST_SKIP() << "there is a CUDA device";
  const std::string path = SaveScript(linear_);
  ExpectRefused({.path = {path}, .device = "cuda"}, ErrorCode::kUnavailable, "sees 0 CUDA devices");
  ExpectRefused({.path = {path}, .device = "cuda:1"}, ErrorCode::kUnavailable, "sees 0 CUDA devices");
}

TEST(LocalRankTest, ComesFromTheLauncher) {
  ::unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
  ::unsetenv("SLURM_LOCALID");
  EXPECT_EQ(LocalRank(), 0u);
  ::setenv("SLURM_LOCALID", "3", 1);
  EXPECT_EQ(LocalRank(), 3u);
  ::setenv("OMPI_COMM_WORLD_LOCAL_RANK", "2", 1);
  EXPECT_EQ(LocalRank(), 2u);
  ::unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
  ::unsetenv("SLURM_LOCALID");
}

}  // namespace
}  // namespace decant
