#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "decant/bench/synthetic_teacher.h"

#include "fast_random.h"
#include "inclusion_entropy.h"

namespace decant {
namespace {

// Streams of a seed: the classes, and the samples.
constexpr uint16_t kClassStream = 0;
constexpr uint16_t kSampleStream = 1;
constexpr size_t kPopularityKinds = 8;

class ImageTeacher : public SyntheticTeacher {
 public:
  explicit ImageTeacher(const ImageTeacherParams& params) : params_(params) {
    FastRandom random(params.seed, 0, kClassStream);
    GrowTree(&random);
    ScatterIds(&random);
    MakePopularity(&random);
  }

  uint32_t num_classes() const override { return params_.num_classes; }
  uint32_t k() const override { return params_.k; }

  void Logits(uint64_t index, std::span<float> logits) const override {
    const Sample sample = DrawSample(index);
    FastRandom random = sample.random;
    std::vector<float> above = {0};  // logits of the nodes one level up, the root first
    for (size_t level = levels_.size(); level-- > 1;) {
      std::vector<float> nodes(levels_[level].num_nodes);
      for (size_t node = 0; node < nodes.size(); ++node) nodes[node] = above[levels_[level].parent[node]];
      normal_.AddTo(std::span(nodes), Noise(params_.node_noise, sample), &random);
      AddSignal(sample, level, params_.node_signal, &nodes);
      above = std::move(nodes);
    }
    std::vector<float> leaves(params_.num_classes);
    for (size_t leaf = 0; leaf < leaves.size(); ++leaf) leaves[leaf] = above[levels_[0].parent[leaf]] + bias_[leaf];
    normal_.AddTo(std::span(leaves), Noise(params_.leaf_noise, sample), &random);
    AddSignal(sample, 0, params_.leaf_signal, &leaves);
    for (size_t leaf = 0; leaf < leaves.size(); ++leaf) logits[id_of_leaf_[leaf]] = leaves[leaf];
  }

  double IdEntropyBits(uint64_t first_index, const LabelBatch& labels) const override {
    InclusionEntropy entropy((levels_.size() + 1) * kPopularityKinds);
    for (size_t i = 0; i < labels.size(); ++i) {
      const uint32_t truth = DrawSample(first_index + i).leaf;
      for (uint32_t leaf = 0; leaf < params_.num_classes; ++leaf) entropy.AddClasses(Kind(truth, leaf), 1);
      for (const uint32_t id : labels.LabelIds(i)) entropy.AddIncluded(Kind(truth, leaf_of_id_[id]));
    }
    double class_bits = 0;
    for (uint32_t leaf = 0; leaf < params_.num_classes; ++leaf) {
      const double p = cumulative_popularity_[leaf] - (leaf > 0 ? cumulative_popularity_[leaf - 1] : 0);
      class_bits -= p * std::log2(p);
    }
    return class_bits + entropy.Bits() / static_cast<double>(labels.size());
  }

 private:
  // Level 0 are the leaves; the parents of the last level are the root.
  struct Level {
    size_t num_nodes = 0;
    std::vector<uint32_t> parent;            // [num_nodes] of the next level
    std::vector<uint32_t> ancestor_of_leaf;  // [num_classes] of this level
  };
  struct Sample {
    uint32_t leaf = 0;         // the true class
    uint32_t second_leaf = 0;  // what else is in the picture,
    double second_share = 0;   // and how much of it
    double confidence = 1;     // factor on signal and noise
    FastRandom random;         // for the noise
  };

  // Cuts runs of nodes into groups of about `branching`, level by level, until one group is left.
  void GrowTree(FastRandom* random) {
    levels_.push_back({.num_nodes = params_.num_classes});
    while (true) {
      Level& level = levels_.back();
      uint32_t parent = 0;
      for (size_t node = 0; node < level.num_nodes; ++parent) {
        const auto children = static_cast<size_t>(std::lround(params_.branching * random->Uniform(2.0 / 3, 4.0 / 3)));
        for (size_t i = 0; i < children && node < level.num_nodes; ++i, ++node) level.parent.push_back(parent);
      }
      if (parent == 1) break;
      levels_.push_back({.num_nodes = parent});
    }
    std::vector<uint32_t> node_of_leaf(params_.num_classes);
    std::iota(node_of_leaf.begin(), node_of_leaf.end(), 0);
    for (Level& level : levels_) {
      level.ancestor_of_leaf = node_of_leaf;
      for (uint32_t& node : node_of_leaf) node = level.parent[node];
    }
  }

  // Ids say nothing about the tree.
  void ScatterIds(FastRandom* random) {
    id_of_leaf_.resize(params_.num_classes);
    std::iota(id_of_leaf_.begin(), id_of_leaf_.end(), 0);
    for (uint32_t i = params_.num_classes; i > 1; --i) std::swap(id_of_leaf_[i - 1], id_of_leaf_[random->Below(i)]);
    leaf_of_id_.resize(params_.num_classes);
    for (uint32_t leaf = 0; leaf < params_.num_classes; ++leaf) leaf_of_id_[id_of_leaf_[leaf]] = leaf;
  }

  void MakePopularity(FastRandom* random) {
    bias_.resize(params_.num_classes);
    normal_.AddTo(std::span(bias_), static_cast<float>(params_.popularity), random);
    double total = 0;
    for (const float bias : bias_) cumulative_popularity_.push_back(total += std::exp(double{bias}));
    for (double& sum : cumulative_popularity_) sum /= total;
    std::vector<float> sorted = bias_;
    std::sort(sorted.begin(), sorted.end());
    for (const float bias : bias_) {
      const auto rank = std::lower_bound(sorted.begin(), sorted.end(), bias) - sorted.begin();
      popularity_kind_.push_back(static_cast<uint8_t>(static_cast<size_t>(rank) * kPopularityKinds / sorted.size()));
    }
  }

  uint32_t DrawLeaf(FastRandom* random) const {
    const auto found =
        std::lower_bound(cumulative_popularity_.begin(), cumulative_popularity_.end() - 1, random->Uniform());
    return static_cast<uint32_t>(found - cumulative_popularity_.begin());
  }

  Sample DrawSample(uint64_t index) const {
    FastRandom random(params_.seed, index, kSampleStream);
    const uint32_t leaf = DrawLeaf(&random);
    const uint32_t second_leaf = DrawLeaf(&random);
    const bool mixed = random.Uniform() < params_.mixed;
    const double share = random.Uniform(0, 0.5);
    const double confidence = std::exp(params_.confidence_spread * double{normal_.Draw(&random)});
    return {.leaf = leaf,
            .second_leaf = second_leaf,
            .second_share = mixed ? share : 0,
            .confidence = confidence,
            .random = random};
  }

  static float Noise(double deviation, const Sample& sample) {
    return static_cast<float>(deviation * sample.confidence);
  }

  // The two classes' paths get the signal in the shares that they have in the picture.
  void AddSignal(const Sample& sample, size_t level, double signal, std::vector<float>* nodes) const {
    const double strength = signal * sample.confidence;
    const auto& ancestor = levels_[level].ancestor_of_leaf;
    (*nodes)[ancestor[sample.leaf]] += static_cast<float>(strength * (1 - sample.second_share));
    (*nodes)[ancestor[sample.second_leaf]] += static_cast<float>(strength * sample.second_share);
  }

  // (distance in the tree, popularity): what the coder of IdEntropyBits knows of a class.
  size_t Kind(uint32_t truth, uint32_t leaf) const {
    size_t distance = 0;
    while (distance < levels_.size() &&
           levels_[distance].ancestor_of_leaf[truth] != levels_[distance].ancestor_of_leaf[leaf]) {
      ++distance;
    }
    return distance * kPopularityKinds + popularity_kind_[leaf];
  }

  const ImageTeacherParams params_;
  const NormalTable normal_;
  std::vector<Level> levels_;
  std::vector<uint32_t> id_of_leaf_;
  std::vector<uint32_t> leaf_of_id_;
  std::vector<float> bias_;                    // [leaf] log popularity
  std::vector<double> cumulative_popularity_;  // [leaf]
  std::vector<uint8_t> popularity_kind_;       // [leaf]
};

}  // namespace

std::unique_ptr<SyntheticTeacher> MakeImageTeacher(const ImageTeacherParams& params) {
  return std::make_unique<ImageTeacher>(params);
}

}  // namespace decant
