#include "fast_random.h"

#include <numbers>

namespace decant {
namespace {

// x with Phi(x) = probability, for 0 < probability <= 1/2: Newton's method on log Phi, which is concave, so it
// converges from the right.
double NormalQuantile(double probability) {
  double x = 0;
  for (int step = 0; step < 60; ++step) {
    const double cdf = 0.5 * std::erfc(-x / std::numbers::sqrt2);
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    const double next = x - cdf / density * std::log(cdf / probability);
    if (std::abs(next - x) < 1e-12) return next;
    x = next;
  }
  return x;
}

}  // namespace

NormalTable::NormalTable() : quantiles_(65536) {
  for (size_t i = 0; i < 32768; ++i) {
    const double quantile = NormalQuantile((static_cast<double>(i) + 0.5) / 65536);
    quantiles_[i] = static_cast<float>(quantile);
    quantiles_[65535 - i] = static_cast<float>(-quantile);
  }
}

}  // namespace decant
