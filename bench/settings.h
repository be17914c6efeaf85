#pragma once

#include <memory>
#include <string>
#include <vector>

#include "decant/bench/synthetic_teacher.h"

namespace decant {

// A synthetic teacher, and how many labels of it are measured by default.
struct BenchmarkSetting {
  std::string name;
  std::unique_ptr<SyntheticTeacher> teacher;
  size_t num_labels = 0;
  size_t num_calibration_labels = 0;
  // Steps that keep the mean KL below what the setting is about: 1e-4, 4e-4 for tokens.
  double delta = 0;
  double graded_delta = 0;
};

inline const std::vector<std::string> kSettingNames = {"c1000_k10", "c21841_k100", "v151936_k128"};
inline const std::vector<std::string> kVariantNames = {"default", "other"};

// `name` and `variant` are among those above: kInvalidArgument.
BenchmarkSetting MakeSetting(const std::string& name, const std::string& variant, uint64_t seed);

}  // namespace decant
