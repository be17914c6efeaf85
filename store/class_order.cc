#include "class_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace decant {
namespace {

constexpr uint32_t kNone = 0xffffffff;
// Entries of a label that are paired with all its others: the likeliest, which stand for what the sample shows.
constexpr size_t kLeaders = 4;
// Rounds of merging: some tens in practice. Labels without any structure could take one for each class.
constexpr int kMaxRounds = 200;

std::vector<uint32_t> ListedCounts(uint32_t num_classes, const LabelCodes& codes) {
  std::vector<uint32_t> counts(num_classes);
  for (const uint32_t id : codes.ids) ++counts[id];
  return counts;
}

// A pair of clusters a < b, and the sum of the affinities between their classes.
struct Edge {
  uint32_t a = 0;
  uint32_t b = 0;
  double weight = 0;
};

void SumParallelEdges(std::vector<Edge>* edges) {
  std::sort(edges->begin(), edges->end(), [](const Edge& x, const Edge& y) {
    return x.a != y.a ? x.a < y.a : x.b != y.b ? x.b < y.b : x.weight < y.weight;
  });
  size_t num_kept = 0;
  for (const Edge& edge : *edges) {
    if (num_kept > 0 && (*edges)[num_kept - 1].a == edge.a && (*edges)[num_kept - 1].b == edge.b) {
      (*edges)[num_kept - 1].weight += edge.weight;
    } else {
      (*edges)[num_kept++] = edge;
    }
  }
  edges->resize(num_kept);
}

std::vector<Edge> Affinities(uint32_t num_classes, const LabelCodes& codes) {
  const std::vector<uint32_t> listed = ListedCounts(num_classes, codes);
  std::vector<Edge> edges;
  std::vector<uint32_t> ranked;
  size_t limit = size_t{1} << 22;
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint32_t first = codes.offsets[i];
    ranked.resize(codes.offsets[i + 1] - first);
    std::iota(ranked.begin(), ranked.end(), first);
    const size_t leaders = std::min(kLeaders, ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(leaders), ranked.end(),
                      [&](uint32_t x, uint32_t y) {
                        return codes.values[x] != codes.values[y] ? codes.values[x] < codes.values[y] : x < y;
                      });
    for (size_t leader = 0; leader < leaders; ++leader) {
      for (size_t other = leader + 1; other < ranked.size(); ++other) {
        const auto [a, b] = std::minmax(codes.ids[ranked[leader]], codes.ids[ranked[other]]);
        edges.push_back({a, b, 1});
      }
    }
    if (edges.size() > limit) {
      SumParallelEdges(&edges);
      limit = std::max(limit, 2 * edges.size());
    }
  }
  SumParallelEdges(&edges);
  for (Edge& edge : edges) edge.weight /= std::sqrt(double{1} * listed[edge.a] * listed[edge.b]);
  return edges;
}

// A tree of clusters, merged from the leaves up.
class Clustering {
 public:
  Clustering(uint32_t num_classes, std::vector<Edge> edges)
      : edges_(std::move(edges)), leaves_(num_classes), parent_(num_classes) {
    for (uint32_t id = 0; id < num_classes; ++id) leaves_[id] = {id};
  }

  // Merges until no two clusters are related, or the rounds are over. Returns the clusters' leaves, by cluster; merged
  // ones are empty.
  std::vector<std::vector<uint32_t>> Run() {
    for (int round = 0; round < kMaxRounds && !edges_.empty(); ++round) {
      FindNearest();
      std::iota(parent_.begin(), parent_.end(), 0);
      for (uint32_t a = 0; a < nearest_.size(); ++a) {
        const uint32_t b = nearest_[a];
        if (b != kNone && a < b && nearest_[b] == a) Merge(a, b);
      }
      for (Edge& edge : edges_) {
        const auto [a, b] = std::minmax(parent_[edge.a], parent_[edge.b]);
        edge = {a, b, edge.weight};
      }
      std::erase_if(edges_, [](const Edge& edge) { return edge.a == edge.b; });
      SumParallelEdges(&edges_);
    }
    return std::move(leaves_);
  }

 private:
  // Strictly better, so that of equal pairs the first wins: the largest pair is then always reciprocal.
  void FindNearest() {
    nearest_.assign(leaves_.size(), kNone);
    std::vector<double> best(leaves_.size(), 0);
    for (const Edge& edge : edges_) {
      const double linkage =
          edge.weight / (static_cast<double>(leaves_[edge.a].size()) * static_cast<double>(leaves_[edge.b].size()));
      for (const auto& [from, to] : {std::pair(edge.a, edge.b), std::pair(edge.b, edge.a)}) {
        if (nearest_[from] != kNone && linkage <= best[from]) continue;
        best[from] = linkage;
        nearest_[from] = to;
      }
    }
  }

  void Merge(uint32_t a, uint32_t b) {
    leaves_[a].insert(leaves_[a].end(), leaves_[b].begin(), leaves_[b].end());
    leaves_[b] = {};
    parent_[b] = a;
  }

  std::vector<Edge> edges_;
  std::vector<std::vector<uint32_t>> leaves_;  // by cluster, which is called by its smallest class
  std::vector<uint32_t> parent_;
  std::vector<uint32_t> nearest_;
};

}  // namespace

std::vector<uint32_t> FrequencyOrder(uint32_t num_classes, const LabelCodes& codes) {
  const std::vector<uint32_t> listed = ListedCounts(num_classes, codes);
  std::vector<uint32_t> order(num_classes);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return listed[a] > listed[b]; });
  return order;
}

std::vector<uint32_t> AffinityOrder(uint32_t num_classes, const LabelCodes& codes) {
  auto clusters = Clustering(num_classes, Affinities(num_classes, codes)).Run();
  std::stable_sort(clusters.begin(), clusters.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  std::vector<uint32_t> order;
  for (const auto& leaves : clusters) order.insert(order.end(), leaves.begin(), leaves.end());
  return order;
}

}  // namespace decant
