#include <cmath>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/producer/teacher.h"

namespace decant {

std::vector<double> NormalisedWeights(const TeacherOptions& options) {
  std::vector<double> weights = options.weights;
  if (weights.empty()) weights.assign(options.path.size(), 1);
  if (weights.size() != options.path.size()) {
    Fail(ErrorCode::kInvalidArgument, "teacher.weights has {} numbers for the {} files of teacher.path", weights.size(),
         options.path.size());
  }
  double total = 0;
  for (const double weight : weights) {
    if (!(weight > 0) || !std::isfinite(weight)) {
      Fail(ErrorCode::kInvalidArgument, "teacher.weights has {}, but they must be above 0", weight);
    }
    total += weight;
  }
  for (double& weight : weights) weight /= total;
  return weights;
}

nlohmann::json TeacherIdentity(std::vector<nlohmann::json> members, const std::vector<double>& weights,
                               const TeacherOptions& options, const TeacherInput& input) {
  if (input.tokens > 0) {
    for (nlohmann::json& member : members) {
      member.erase("mean");
      member.erase("std");
    }
  }
  nlohmann::json identity = members.front();
  if (members.size() > 1) {
    for (size_t i = 0; i < members.size(); ++i) members[i]["weight"] = weights[i];
    identity = {{"kind", "ensemble"}, {"members", members}};
    identity["digest"] = "sha256:" + Sha256Hex(identity["members"].dump());
  }
  if (input.tokens > 0) {
    identity["tokens"] = input.tokens;
  } else {
    identity["image_size"] = {input.image.height, input.image.width};
  }
  identity["output"] = options.output.empty() ? "logits" : options.output;
  identity["precision"] = options.precision;
  identity["device"] = options.device == "cpu" ? "cpu" : "cuda";
  identity["batch_size"] = options.batch_size;
  identity["threads"] = options.threads;
  return identity;
}

}  // namespace decant
