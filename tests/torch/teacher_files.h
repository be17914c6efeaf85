#pragma once

#include <string>

#include <gtest/gtest.h>
#include <torch/script.h>

#include "decant/models/checkpoint.h"

#include "torch/stripe_source.h"
#include "unit/temporary_directory.h"

namespace decant {

// Writes teachers of StripeSource's images, 4 x 4 pixels, with 4 classes.
class TeacherFiles : public testing::Test {
 protected:
  // A TorchScript module with this body of forward(self, x), and one parameter `weight` [16, 4], whose numbers depend
  // on the seed.
  std::string SaveScript(const std::string& body, int seed = 1, const std::string& arguments = "x") const {
    torch::jit::Module module("teacher");
    torch::manual_seed(seed);
    module.register_parameter("weight", torch::randn({16, 4}), /*is_buffer=*/false);
    module.define("def forward(self, " + arguments + "):\n" + body);
    const std::string path = directory_.File("teacher" + std::to_string(num_files_++) + ".pt");
    module.save(path);
    return path;
  }
  std::string SaveNative(const std::string& architecture = "convnet", uint32_t features = 4) const {
    NetworkSpec spec;
    spec.architecture = architecture;
    spec.height = 4;
    spec.width = 4;
    spec.channels = 1;
    spec.num_classes = 4;
    spec.features = features;
    spec.mean = {0.25};
    const std::string path = directory_.File("teacher" + std::to_string(num_files_++) + ".safetensors");
    SaveNetwork(path, spec, *MakeNetwork(spec, 1));
    return path;
  }
  // uint8 [n, 4, 4, 1]
  static std::vector<uint8_t> Images(size_t n) {
    std::vector<uint8_t> images;
    const StripeSource source(n);
    Image image;
    for (size_t i = 0; i < n; ++i) {
      source.ReadImage(i, &image);
      images.insert(images.end(), image.pixels.begin(), image.pixels.end());
    }
    return images;
  }

  const TemporaryDirectory directory_;
  mutable int num_files_ = 0;
  const std::string linear_ = "  return torch.matmul(torch.flatten(x, 1), self.weight)\n";
};

}  // namespace decant
