#include "decant/producer/label_adviser.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "decant/base/error.h"

namespace decant {
namespace {

constexpr uint32_t kLargestK = 1000;

std::vector<double> Softmax(std::span<const float> logits, double temperature) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> probs(logits.size());
  double total = 0;
  for (size_t id = 0; id < probs.size(); ++id) total += probs[id] = std::exp((logits[id] - largest) / temperature);
  for (double& prob : probs) prob /= total;
  return probs;
}

struct Fidelity {
  double coverage = 0;
  double kl = 0;
};

// Takes the listed classes out of `probs`.
Fidelity Compare(std::vector<double> probs, const LabelBatch& labels, size_t i) {
  Fidelity fidelity;
  const auto ids = labels.LabelIds(i);
  for (size_t entry = 0; entry < ids.size(); ++entry) {
    const double prob = std::exchange(probs[ids[entry]], 0);
    fidelity.coverage += prob;
    if (prob > 0) fidelity.kl += prob * (std::log(prob) - labels.LabelLogProbs(i)[entry]);
  }
  const double each = labels.tail_mass[i] / static_cast<double>(std::max<size_t>(1, probs.size() - ids.size()));
  for (const double prob : probs) {
    if (prob > 0) fidelity.kl += prob * (std::log(prob) - std::log(each));
  }
  return fidelity;
}

}  // namespace

LabelCost MeasureLabels(const CodecParams& params, const Selection& selection, Prior prior, uint64_t seed,
                        std::span<const float> logits, std::span<const SelectedView> views) {
  if (views.size() < 2) Fail(ErrorCode::kInvalidArgument, "{} views, but at least 2 are needed", views.size());
  LabelSelector selector(params, selection, seed);
  LabelBatch calibration, measured;
  const auto row = [&](size_t view) { return logits.subspan(view * params.num_classes, params.num_classes); };
  for (size_t view = 0; view < views.size(); ++view) {
    selector.Append(row(view), views[view], view % 2 == 0 ? &calibration : &measured);
  }
  const ChunkCodec codec(params, LearnTables(params, calibration, prior));
  const LabelCodes codes = codec.Quantise(measured);
  const auto count = static_cast<uint32_t>(codes.size());
  LabelBatch decoded;
  codec.Dequantise(codes, 0, count, &decoded);

  LabelCost cost = {.selection = selection, .k = params.k};
  std::vector<double> coverages;
  for (size_t i = 0; i < count; ++i) {
    const Fidelity fidelity = Compare(Softmax(row(2 * i + 1), params.temperatures.front()), decoded, i);
    coverages.push_back(fidelity.coverage);
    cost.coverage_mean += fidelity.coverage / count;
    cost.kl_mean += fidelity.kl / count;
  }
  std::sort(coverages.begin(), coverages.end());
  cost.coverage_p5 = coverages[coverages.size() / 20];
  cost.entries_per_label = static_cast<double>(codes.ids.size()) / count;
  cost.bytes_per_label = static_cast<double>(codec.Encode({.num_samples = count}, codes).size()) / count;
  return cost;
}

std::vector<LabelKind> KindsToCompare(uint32_t num_classes) {
  std::vector<LabelKind> kinds;
  for (uint32_t decade = 1; decade <= kLargestK; decade *= 10) {
    for (const uint32_t k : {decade, 2 * decade, 5 * decade}) {
      if (k < num_classes && k <= kLargestK) kinds.push_back({{.kind = Selection::kTopK}, k});
    }
  }
  const uint32_t cap = std::min(num_classes, kLargestK);
  for (const double p : {0.9, 0.95, 0.99}) kinds.push_back({{.kind = Selection::kTopP, .p = p}, cap});
  return kinds;
}

}  // namespace decant
