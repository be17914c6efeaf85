#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace decant {

// Counts how often the classes of each kind are in a label, and adds up what telling so costs.
class InclusionEntropy {
 public:
  explicit InclusionEntropy(size_t num_kinds) : included_(num_kinds), classes_(num_kinds) {}

  // A label has `count` classes of the kind in all ...
  void AddClasses(size_t kind, uint64_t count) { classes_[kind] += count; }
  // ... and lists this one.
  void AddIncluded(size_t kind) { ++included_[kind]; }

  // Bits: the sum over the kinds of (classes) * (binary entropy of the rate).
  double Bits() const {
    double bits = 0;
    for (size_t kind = 0; kind < classes_.size(); ++kind) {
      const auto total = static_cast<double>(classes_[kind]);
      const auto in = static_cast<double>(included_[kind]);
      if (in > 0) bits += in * std::log2(total / in);
      if (in < total) bits += (total - in) * std::log2(total / (total - in));
    }
    return bits;
  }

 private:
  std::vector<uint64_t> included_;
  std::vector<uint64_t> classes_;
};

}  // namespace decant
