#include "decant/producer/select.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "decant/base/error.h"
#include "decant/base/random.h"

namespace decant {

LabelSelector::LabelSelector(const CodecParams& params, const Selection& selection, uint64_t seed)
    : params_(params), selection_(selection), seed_(seed), probs_(params.num_classes), ids_(params.num_classes) {
  if (params.k < 1 || params.k > params.num_classes) {
    Fail(ErrorCode::kInvalidArgument, "labels.k is {}, but must be 1 to the number of classes, {}", params.k,
         params.num_classes);
  }
  for (const double temperature : params.temperatures) {
    if (!(temperature > 0) || !std::isfinite(temperature)) {
      Fail(ErrorCode::kInvalidArgument, "labels.temperatures has {}, but they must be above 0", temperature);
    }
  }
}

void LabelSelector::CheckLogits(std::span<const float> logits) const {
  if (logits.size() != params_.num_classes) {
    Fail(ErrorCode::kInvalidArgument, "expected {} logits, found {}", params_.num_classes, logits.size());
  }
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!std::isfinite(logits[id])) Fail(ErrorCode::kInvalidArgument, "the logit of class {} is {}", id, logits[id]);
  }
}

// Subtracting the largest logit first keeps every exponential in (0, 1].
void LabelSelector::ComputeProbs(std::span<const float> logits, double temperature) {
  largest_ = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (size_t id = 0; id < logits.size(); ++id) {
    probs_[id] = std::exp((logits[id] - largest_) / temperature);
    total += probs_[id];
  }
  for (double& prob : probs_) prob /= total;
  log_total_ = std::log(total);
}

double LabelSelector::LogProb(float logit, double temperature) const {
  return std::min((logit - largest_) / temperature - log_total_, 0.0);
}

// The first k of ids_: the likeliest classes, most likely first.
void LabelSelector::RankTopK(std::span<const float> logits) {
  std::iota(ids_.begin(), ids_.end(), 0);
  const auto ranks_before = [&](uint32_t a, uint32_t b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  };
  const auto last = ids_.begin() + params_.k;
  if (params_.k < params_.num_classes) std::nth_element(ids_.begin(), last - 1, ids_.end(), ranks_before);
  if (selection_.kind != Selection::kTopK) std::sort(ids_.begin(), last, ranks_before);
  num_listed_ = params_.k;
}

void LabelSelector::KeepTopP() {
  double mass = 0;
  for (size_t rank = 0; rank < params_.k; ++rank) {
    mass += probs_[ids_[rank]];
    num_listed_ = rank + 1;
    if (mass >= selection_.p) break;
  }
}

// Of the ranked k, those above the threshold are listed for certain; the others are drawn.
void LabelSelector::Sample(const SelectedView& view) {
  double rest = 1;
  size_t head = 0;
  for (; head + 1 < params_.k; ++head) {
    const double prob = probs_[ids_[head]];
    if (prob == 0 || prob * static_cast<double>(params_.k - head) < rest) break;
    rest -= prob;
  }
  std::vector<bool> certain(params_.num_classes);
  for (size_t rank = 0; rank < head; ++rank) certain[ids_[rank]] = true;
  rest = 0;
  size_t num_others = 0;
  for (uint32_t id = 0; id < params_.num_classes; ++id) {
    if (certain[id] || probs_[id] == 0) continue;
    rest += probs_[id];
    ++num_others;
  }
  const size_t num_drawn = std::min<size_t>(params_.k - head, num_others);
  const double threshold = num_drawn == 0 ? 0 : rest / static_cast<double>(num_drawn);
  const double offset = UniformAt(seed_, RandomPurpose::kSelection, view.epoch, view.sample_id, view.position);

  num_listed_ = 0;
  listed_probs_.clear();
  double passed = 0;
  size_t num_passed = 0;  // draws lie at offset, offset + 1, ... thresholds
  std::vector<uint32_t> listed;
  for (uint32_t id = 0; id < params_.num_classes; ++id) {
    if (certain[id]) {
      listed.push_back(id);
      listed_probs_.push_back(probs_[id]);
    } else if (probs_[id] > 0) {
      passed += probs_[id];
      const bool last = --num_others == 0;
      const bool hit = passed > (static_cast<double>(num_passed) + offset) * threshold;
      if (num_passed < num_drawn && (hit || last)) {
        ++num_passed;
        listed.push_back(id);
        listed_probs_.push_back(threshold);
      }
    }
  }
  std::copy(listed.begin(), listed.end(), ids_.begin());
  num_listed_ = listed.size();
}

// Of the classes that are not listed, which forgets the others' probabilities.
double LabelSelector::TailMass() {
  if (selection_.kind == Selection::kSample) return 0;
  for (size_t entry = 0; entry < num_listed_; ++entry) probs_[ids_[entry]] = 0;
  return std::accumulate(probs_.begin(), probs_.end(), 0.0);
}

void LabelSelector::AppendFurtherColumns(std::span<const float> logits, const SelectedView& view, LabelBatch* labels) {
  const double first = params_.temperatures.front();
  if (params_.true_label) {
    labels->true_log_probs.push_back(static_cast<float>(LogProb(logits[view.true_class], first)));
  }
  if (params_.logits()) {
    labels->log_sum_exp.push_back(static_cast<float>(largest_ / first + log_total_));
    for (size_t entry = 0; entry < num_listed_; ++entry) labels->logits.push_back(logits[ids_[entry]]);
  }
  for (size_t t = 1; t < params_.temperatures.size(); ++t) {
    ComputeProbs(logits, params_.temperatures[t]);
    labels->other_tails.push_back(static_cast<float>(TailMass()));
  }
}

void LabelSelector::Append(std::span<const float> logits, const SelectedView& view, LabelBatch* labels) {
  CheckLogits(logits);
  if (params_.true_label && view.true_class >= logits.size()) {
    Fail(ErrorCode::kInvalidArgument, "the true class is {}, but the teacher has {} classes", view.true_class,
         logits.size());
  }
  const double temperature = params_.temperatures.front();
  ComputeProbs(logits, temperature);
  RankTopK(logits);
  if (selection_.kind == Selection::kTopP) KeepTopP();
  if (selection_.kind == Selection::kSample) {
    Sample(view);
  } else {
    std::sort(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(num_listed_));
  }
  log_probs_.resize(num_listed_);
  for (size_t entry = 0; entry < num_listed_; ++entry) {
    const double log_prob = selection_.kind == Selection::kSample ? std::min(std::log(listed_probs_[entry]), 0.0)
                                                                  : LogProb(logits[ids_[entry]], temperature);
    log_probs_[entry] = static_cast<float>(log_prob);
  }
  const double tail = TailMass();
  labels->Append(std::span(ids_).first(num_listed_), log_probs_, static_cast<float>(tail));
  AppendFurtherColumns(logits, view, labels);
}

void LabelSelector::AppendRanked(const RankedRow& row, const SelectedView& view, LabelBatch* labels) {
  if (selection_.kind == Selection::kSample || row.ids.size() != params_.k) {
    Fail(ErrorCode::kInvalidArgument, "a ranked row: expected {} classes, and labels that are not sampled", params_.k);
  }
  if (params_.true_label && view.true_class >= params_.num_classes) {
    Fail(ErrorCode::kInvalidArgument, "the true class is {}, but the teacher has {} classes", view.true_class,
         params_.num_classes);
  }
  const auto log_prob = [&](float logit, size_t t) {
    return std::min(logit / params_.temperatures[t] - row.log_sum_exp[t], 0.0);
  };
  std::vector<size_t> entries(params_.k);
  std::iota(entries.begin(), entries.end(), 0);
  std::sort(entries.begin(), entries.end(), [&](size_t a, size_t b) {
    return row.logits[a] > row.logits[b] || (row.logits[a] == row.logits[b] && row.ids[a] < row.ids[b]);
  });
  double mass = 0;
  num_listed_ = 0;
  while (num_listed_ < entries.size()) {
    mass += std::exp(log_prob(row.logits[entries[num_listed_++]], 0));
    if (selection_.kind == Selection::kTopP && mass >= selection_.p) break;
  }
  const auto tail_at = [&](size_t t) {
    double tail = row.tail_mass[t];
    for (size_t i = num_listed_; i < entries.size(); ++i) tail += std::exp(log_prob(row.logits[entries[i]], t));
    return static_cast<float>(std::min(tail, 1.0));
  };
  const float first_tail = tail_at(0);
  for (size_t t = 1; t < params_.temperatures.size(); ++t) labels->other_tails.push_back(tail_at(t));
  entries.resize(num_listed_);
  std::sort(entries.begin(), entries.end(), [&](size_t a, size_t b) { return row.ids[a] < row.ids[b]; });
  log_probs_.clear();
  for (size_t i = 0; i < num_listed_; ++i) {
    ids_[i] = row.ids[entries[i]];
    log_probs_.push_back(static_cast<float>(log_prob(row.logits[entries[i]], 0)));
  }
  labels->Append(std::span(ids_).first(num_listed_), log_probs_, first_tail);
  if (params_.true_label) labels->true_log_probs.push_back(static_cast<float>(log_prob(row.true_logit, 0)));
}

}  // namespace decant
