#include "ranked_label.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "decant/base/error.h"

namespace decant {
namespace {

// The places of the entries, the likeliest first.
std::vector<size_t> Rank(std::span<const uint32_t> ids, std::span<const float> logits) {
  std::vector<size_t> ranks(ids.size());
  std::iota(ranks.begin(), ranks.end(), 0);
  std::sort(ranks.begin(), ranks.end(),
            [&](size_t a, size_t b) { return logits[a] > logits[b] || (logits[a] == logits[b] && ids[a] < ids[b]); });
  return ranks;
}

void CheckSizes(const CodecParams& params, const RankedRow& row) {
  const auto check = [](const char* what, size_t expected, size_t found) {
    if (expected != found) {
      Fail(ErrorCode::kInvalidArgument, "a ranked row: expected {} {}, found {}", expected, what, found);
    }
  };
  check("ids", params.k, row.ids.size());
  check("logits", params.k, row.logits.size());
  check("log-sum-exps, one for each temperature", params.temperatures.size(), row.log_sum_exp.size());
  check("tail masses, one for each temperature", params.temperatures.size(), row.tail_mass.size());
}

void CheckRow(const CodecParams& params, const RankedRow& row, const SelectedView& view) {
  CheckSizes(params, row);
  for (size_t entry = 0; entry < row.ids.size(); ++entry) {
    if (row.ids[entry] >= params.num_classes) {
      Fail(ErrorCode::kInvalidArgument, "a ranked row: class id {} is not below {}", row.ids[entry],
           params.num_classes);
    }
    if (!std::isfinite(row.logits[entry])) {
      Fail(ErrorCode::kInvalidArgument, "the logit of class {} is {}", row.ids[entry], row.logits[entry]);
    }
  }
  for (size_t t = 0; t < params.temperatures.size(); ++t) {
    if (!std::isfinite(row.log_sum_exp[t]) || !(row.tail_mass[t] >= 0 && row.tail_mass[t] <= 1)) {
      Fail(ErrorCode::kInvalidArgument, "a ranked row: at temperature {} the log-sum-exp is {} and the tail mass {}",
           params.temperatures[t], row.log_sum_exp[t], row.tail_mass[t]);
    }
  }
  if (!params.true_label) return;
  if (view.true_class >= params.num_classes) {
    Fail(ErrorCode::kInvalidArgument, "the true class is {}, but the teacher has {} classes", view.true_class,
         params.num_classes);
  }
  if (!std::isfinite(row.true_logit)) {
    Fail(ErrorCode::kInvalidArgument, "the logit of the true class {} is {}", view.true_class, row.true_logit);
  }
}

double LogProb(const CodecParams& params, const RankedRow& row, float logit, size_t t) {
  return ClampLogProb(logit / params.temperatures[t] - row.log_sum_exp[t]);
}

}  // namespace

std::vector<uint32_t> RankClasses(std::span<const uint32_t> ids, std::span<const float> logits) {
  std::vector<uint32_t> ranked;
  for (const size_t entry : Rank(ids, logits)) ranked.push_back(ids[entry]);
  return ranked;
}

void AppendRankedLabel(const CodecParams& params, const Selection& selection, const RankedRow& row,
                       const SelectedView& view, LabelBatch* labels) {
  if (selection.kind == Selection::kSample) {
    Fail(ErrorCode::kInvalidArgument, "labels by sampling need all logits of a row, not the k largest");
  }
  CheckRow(params, row, view);
  std::vector<size_t> entries = Rank(row.ids, row.logits);
  size_t num_listed = entries.size();
  if (selection.kind == Selection::kTopP) {
    double mass = 0;
    num_listed = 0;
    while (num_listed < entries.size() && (num_listed == 0 || mass < selection.p)) {
      mass += std::exp(LogProb(params, row, row.logits[entries[num_listed++]], 0));
    }
  }
  const auto tail_at = [&](size_t t) {
    double tail = row.tail_mass[t];
    for (size_t rank = num_listed; rank < entries.size(); ++rank) {
      tail += std::exp(LogProb(params, row, row.logits[entries[rank]], t));
    }
    return static_cast<float>(std::min(tail, 1.0));
  };
  const float tail = tail_at(0);
  std::vector<float> other_tails;
  for (size_t t = 1; t < params.temperatures.size(); ++t) other_tails.push_back(tail_at(t));

  entries.resize(num_listed);
  std::sort(entries.begin(), entries.end(), [&](size_t a, size_t b) { return row.ids[a] < row.ids[b]; });
  std::vector<uint32_t> ids;
  std::vector<float> log_probs, logits;
  for (const size_t entry : entries) {
    if (!ids.empty() && row.ids[entry] == ids.back()) {
      Fail(ErrorCode::kInvalidArgument, "a ranked row: class id {} comes twice", ids.back());
    }
    ids.push_back(row.ids[entry]);
    logits.push_back(row.logits[entry]);
    log_probs.push_back(static_cast<float>(LogProb(params, row, row.logits[entry], 0)));
  }
  labels->Append(ids, log_probs, tail);
  labels->other_tails.insert(labels->other_tails.end(), other_tails.begin(), other_tails.end());
  if (params.true_label) {
    labels->true_log_probs.push_back(static_cast<float>(LogProb(params, row, row.true_logit, 0)));
  }
  if (params.logits()) {
    labels->log_sum_exp.push_back(static_cast<float>(row.log_sum_exp[0]));
    labels->logits.insert(labels->logits.end(), logits.begin(), logits.end());
  }
}

}  // namespace decant
