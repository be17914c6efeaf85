#include "decant/consumer/row_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "row_loops.h"

namespace decant {
namespace {

// t_j = scale p_j for the listed classes, `unlisted` for each other one; `mass` in all, the ghost's included.
struct SoftTarget {
  double scale = 1;
  double unlisted = 0;
  double ghost = 0;
  double mass = 1;
};

SoftTarget Resolve(const RowTarget& target, TailRule rule, size_t num_classes) {
  double listed = 0;
  for (const float prob : target.probs) listed += double{prob};
  const size_t num_unlisted = num_classes - target.ids.size();
  const double tail = num_unlisted > 0 ? double{target.tail} : 0;
  SoftTarget soft = {.mass = listed + tail};
  switch (rule) {
    case TailRule::kUniform:
      if (num_unlisted > 0) soft.unlisted = tail / static_cast<double>(num_unlisted);
      break;
    case TailRule::kRenormalise:
      soft.scale = 1 / listed;
      soft.mass = 1;
      break;
    case TailRule::kGhost:
      soft.ghost = tail;
      break;
  }
  return soft;
}

double PLogP(double p) {
  return p > 0 ? p * std::log(p) : 0;
}

double Entropy(const RowTarget& target, const SoftTarget& soft, size_t num_classes) {
  double sum = PLogP(soft.ghost);
  for (const float prob : target.probs) sum += PLogP(soft.scale * double{prob});
  return -(sum + static_cast<double>(num_classes - target.ids.size()) * PLogP(soft.unlisted));
}

double Difference(std::span<const float> logits, int64_t id, const RowSums& sums) {
  return double{logits[static_cast<size_t>(id)]} - sums.largest;
}

// The sums over the listed classes and over the others, taken apart: a difference of sums would leave nothing of a
// small rest.
void SumApart(std::span<const float> logits, const RowTarget& target, double temperature, RowSums* sums) {
  thread_local std::vector<float> rest;
  rest.assign(logits.begin(), logits.end());
  for (const int64_t id : target.ids) rest[static_cast<size_t>(id)] = -std::numeric_limits<float>::infinity();
  const float largest = LargestOf(rest.data(), rest.size());
  sums->unlisted_largest = double{largest};
  if (!std::isinf(largest)) sums->unlisted_total = SumsOf(rest.data(), rest.size(), largest, temperature).exps;
  sums->total = std::exp((sums->unlisted_largest - sums->largest) / temperature) * sums->unlisted_total;
  for (const int64_t id : target.ids) sums->total += std::exp(Difference(logits, id, *sums) / temperature);
}

double SoftLoss(std::span<const float> logits, const RowTarget& target, const RowLossOptions& options, RowSums* sums) {
  const SoftTarget soft = Resolve(target, options.tail, logits.size());
  double differences = 0;
  if (options.tail == TailRule::kGhost) {
    SumApart(logits, target, options.temperature, sums);
  } else {
    const ExpSums all = SumsOf(logits.data(), logits.size(), static_cast<float>(sums->largest), options.temperature);
    sums->total = all.exps;
    differences = all.differences;
  }
  double value = soft.mass * std::log(sums->total);
  for (size_t i = 0; i < target.ids.size(); ++i) {
    const double weight = soft.scale * double{target.probs[i]} - soft.unlisted;
    if (weight != 0) value -= weight * Difference(logits, target.ids[i], *sums) / options.temperature;
  }
  if (soft.unlisted != 0) value -= soft.unlisted * differences / options.temperature;
  if (soft.ghost != 0) {
    value -=
        soft.ghost * ((sums->unlisted_largest - sums->largest) / options.temperature + std::log(sums->unlisted_total));
  }
  return options.divergence ? value - Entropy(target, soft, logits.size()) : value;
}

double HardLoss(std::span<const float> logits, const RowTarget& target, const RowLossOptions& options, RowSums* sums) {
  const ExpSums all = SumsOf(logits.data(), logits.size(), static_cast<float>(sums->largest), 1);
  sums->hard_total = all.exps;
  double value = std::log(all.exps);
  for (size_t i = 0; i < target.classes.size(); ++i) {
    value -= (1 - options.label_smoothing) * double{target.shares[i]} * Difference(logits, target.classes[i], *sums);
  }
  if (options.label_smoothing == 0) return value;
  return value - options.label_smoothing * all.differences / static_cast<double>(logits.size());
}

void SoftGradient(std::span<const float> logits, const RowTarget& target, const RowLossOptions& options,
                  const RowSums& sums, double scale, float* gradient) {
  const SoftTarget soft = Resolve(target, options.tail, logits.size());
  const double temperature = options.temperature;
  const double outer = scale / temperature;
  const double factor = outer * soft.mass / sums.total;
  if (options.tail != TailRule::kGhost) {
    ScaledExps(logits.data(), logits.size(), static_cast<float>(sums.largest), temperature, static_cast<float>(factor),
               static_cast<float>(outer * soft.unlisted), gradient);
    for (size_t i = 0; i < target.ids.size(); ++i) {
      const double weight = soft.scale * double{target.probs[i]} - soft.unlisted;
      gradient[target.ids[i]] -= static_cast<float>(outer * weight);
    }
    return;
  }
  // Off the label (mass - ghost / Q) q_j, Q the sum of those q_j.
  double unlisted = 0;
  if (sums.unlisted_total > 0) {
    unlisted = factor * std::exp((sums.unlisted_largest - sums.largest) / temperature) -
               outer * soft.ghost / sums.unlisted_total;
  }
  ScaledExps(logits.data(), logits.size(), static_cast<float>(sums.unlisted_largest), temperature,
             static_cast<float>(unlisted), 0, gradient);
  for (size_t i = 0; i < target.ids.size(); ++i) {
    const double exp = std::exp(Difference(logits, target.ids[i], sums) / temperature);
    gradient[target.ids[i]] = static_cast<float>(factor * exp - outer * double{target.probs[i]});
  }
}

void AddHardGradient(std::span<const float> logits, const RowTarget& target, const RowLossOptions& options,
                     const RowSums& sums, double scale, float* gradient) {
  const double offset = scale * options.label_smoothing / static_cast<double>(logits.size());
  AddScaledExps(logits.data(), logits.size(), static_cast<float>(sums.largest), 1,
                static_cast<float>(scale / sums.hard_total), static_cast<float>(offset), gradient);
  for (size_t i = 0; i < target.classes.size(); ++i) {
    gradient[target.classes[i]] -= static_cast<float>(scale * (1 - options.label_smoothing) * double{target.shares[i]});
  }
}

}  // namespace

double RowLoss(std::span<const float> logits, const RowTarget& target, const RowLossOptions& options, RowSums* sums) {
  *sums = {.largest = double{LargestOf(logits.data(), logits.size())}};
  double loss = 0;
  if (options.soft_weight != 0) loss += options.soft_weight * SoftLoss(logits, target, options, sums);
  if (options.hard_weight != 0) loss += options.hard_weight * HardLoss(logits, target, options, sums);
  return loss;
}

void RowLossGradient(std::span<const float> logits, const RowTarget& target, const RowLossOptions& options,
                     const RowSums& sums, double scale, float* gradient) {
  if (options.soft_weight != 0) {
    SoftGradient(logits, target, options, sums, scale * options.soft_weight, gradient);
  } else {
    std::fill_n(gradient, logits.size(), 0.0f);
  }
  if (options.hard_weight != 0) {
    AddHardGradient(logits, target, options, sums, scale * options.hard_weight, gradient);
  }
}

}  // namespace decant
