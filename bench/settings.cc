#include "settings.h"

#include <algorithm>

#include "decant/base/error.h"

namespace decant {
namespace {

void CheckName(const char* what, const std::string& name, const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  Fail(ErrorCode::kInvalidArgument, "there is no {} '{}'; there are {}", what, name, fmt::join(names, ", "));
}

// The other variant: wider nodes, uneven popularity, noise in the leaves rather than the branches, more mixed pictures.
ImageTeacherParams ImageParams(bool other, uint64_t seed) {
  if (!other) return {.seed = seed};
  return {.seed = seed,
          .branching = 15,
          .leaf_signal = 6,
          .node_signal = 7,
          .leaf_noise = 2,
          .node_noise = 1.2,
          .popularity = 0.9,
          .confidence_spread = 0.3,
          .mixed = 0.25};
}

// The other variant: a stronger prior, fewer topics, longer and flatter heads.
TokenTeacherParams TokenParams(bool other, uint64_t seed) {
  if (!other) return {.seed = seed};
  return {.seed = seed,
          .bulk_sigma = 2.3,
          .prior_weight = 0.4,
          .num_topics = 512,
          .candidates = 512,
          .common_candidates = 0.4,
          .head_exponent_low = 1.4,
          .head_exponent_high = 2.6,
          .head_noise = 0.5,
          .head_log_odds = 3.6,
          .head_log_odds_spread = 1.0};
}

}  // namespace

BenchmarkSetting MakeSetting(const std::string& name, const std::string& variant, uint64_t seed) {
  CheckName("setting", name, kSettingNames);
  CheckName("variant", variant, kVariantNames);
  const bool other = variant == "other";
  if (name == "v151936_k128") {
    return {.name = name,
            .teacher = MakeTokenTeacher(TokenParams(other, seed)),
            .num_labels = 8192,
            .num_calibration_labels = 8192,
            .delta = 1.0 / 8,
            .graded_delta = 1.0 / 96};
  }
  ImageTeacherParams params = ImageParams(other, seed);
  if (name == "c1000_k10") {
    return {.name = name,
            .teacher = MakeImageTeacher(params),
            .num_labels = 131072,
            .num_calibration_labels = 65536,
            .delta = 1.0 / 16,
            .graded_delta = 1.0 / 64};
  }
  params.num_classes = 21841;
  params.k = 100;
  params.node_signal = 5;
  return {.name = name,
          .teacher = MakeImageTeacher(params),
          .num_labels = 16384,
          .num_calibration_labels = 32768,
          .delta = 1.0 / 16,
          .graded_delta = 1.0 / 192};
}

}  // namespace decant
