#include "decant/producer/select.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "decant/base/error.h"
#include "decant/base/random.h"

#include "ranked_label.h"
#include "threshold_sampling.h"
#include "top_classes.h"

namespace decant {
namespace {

void CheckParams(const CodecParams& params) {
  if (params.k < 1 || params.k > params.num_classes) {
    Fail(ErrorCode::kInvalidArgument, "labels.k is {}, but must be 1 to the number of classes, {}", params.k,
         params.num_classes);
  }
  for (const double temperature : params.temperatures) {
    if (!(temperature >= 1e-12 && temperature < 1e6)) {
      Fail(ErrorCode::kInvalidArgument, "labels.temperatures has {}, but they must be at least 1e-12 and below 10^6",
           temperature);
    }
  }
}

}  // namespace

struct LabelSelector::Impl {
  Impl(const CodecParams& a_params, const Selection& a_selection, uint64_t a_seed)
      : params(a_params), selection(a_selection), seed(a_seed), top(a_params.num_classes, a_params.k) {}

  void FindTopClasses(std::span<const float> logits, const SelectedView& view);
  double TailMass(std::span<const float> logits, double temperature);
  double LogProb(float logit, double temperature) const {
    return ClampLogProb((logit - double{top.largest()}) / temperature - log_total);
  }
  double SumExps(const std::vector<float>& logits, const ExpScale& scale);
  void KeepTopP(std::span<const float> logits);
  void ListSample(std::span<const float> logits, const SelectedView& view, LabelBatch* labels);
  void ListTop(std::span<const float> logits, LabelBatch* labels);
  void AppendFurtherColumns(std::span<const float> logits, const SelectedView& view, LabelBatch* labels);

  const CodecParams params;
  const Selection selection;
  const uint64_t seed;
  const RowKernels& kernels = FastestKernels();
  TopClasses top;
  double log_total = 0;  // log of the sum of exp((logit - largest) / temperature), of the temperature computed last
  std::vector<float> exps;
  std::vector<float> log_probs;
  std::vector<double> probs;  // by sampling: [num_classes]
};

void LabelSelector::Impl::FindTopClasses(std::span<const float> logits, const SelectedView& view) {
  if (logits.size() != params.num_classes) {
    Fail(ErrorCode::kInvalidArgument, "expected {} logits, found {}", params.num_classes, logits.size());
  }
  if (params.true_label && view.true_class >= logits.size()) {
    Fail(ErrorCode::kInvalidArgument, "the true class is {}, but the teacher has {} classes", view.true_class,
         logits.size());
  }
  if (top.Find(logits)) return;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!std::isfinite(logits[id])) Fail(ErrorCode::kInvalidArgument, "the logit of class {} is {}", id, logits[id]);
  }
}

double LabelSelector::Impl::SumExps(const std::vector<float>& logits, const ExpScale& scale) {
  exps.resize(logits.size());
  kernels.exps(logits.data(), logits.size(), scale, exps.data());
  return std::accumulate(exps.begin(), exps.end(), 0.0);
}

// Of the classes that are not listed; also finds `log_total`.
double LabelSelector::Impl::TailMass(std::span<const float> logits, double temperature) {
  const ExpScale scale(top.largest(), temperature);
  double tail = SumExps(top.other_logits(), scale);
  if (top.logits().size() + top.other_logits().size() < logits.size()) {
    tail += kernels.sum_below(logits.data(), logits.size(), top.bound(), scale);
  }
  const double total = SumExps(top.logits(), scale) + tail;
  log_total = std::log(total);
  return tail / total;
}

// Moves what is beyond the mass from the listed classes to the others.
void LabelSelector::Impl::KeepTopP(std::span<const float> logits) {
  const double temperature = params.temperatures.front();
  TailMass(logits, temperature);
  std::vector<uint32_t> ranked = RankClasses(top.ids(), top.logits());
  double mass = 0;
  size_t num_listed = 0;
  while (num_listed < ranked.size() && (num_listed == 0 || mass < selection.p)) {
    mass += std::exp(LogProb(logits[ranked[num_listed++]], temperature));
  }
  for (size_t rank = num_listed; rank < ranked.size(); ++rank) top.other_logits().push_back(logits[ranked[rank]]);
  ranked.resize(num_listed);
  std::sort(ranked.begin(), ranked.end());
  top.logits().clear();
  for (const uint32_t id : ranked) top.logits().push_back(logits[id]);
  top.ids() = std::move(ranked);
}

void LabelSelector::Impl::ListTop(std::span<const float> logits, LabelBatch* labels) {
  if (selection.kind == Selection::kTopP) KeepTopP(logits);
  const double temperature = params.temperatures.front();
  const double tail = TailMass(logits, temperature);
  log_probs.resize(top.ids().size());
  for (size_t entry = 0; entry < log_probs.size(); ++entry) {
    log_probs[entry] = static_cast<float>(LogProb(top.logits()[entry], temperature));
  }
  labels->Append(top.ids(), log_probs, static_cast<float>(tail));
}

void LabelSelector::Impl::ListSample(std::span<const float> logits, const SelectedView& view, LabelBatch* labels) {
  exps.resize(logits.size());
  kernels.exps(logits.data(), logits.size(), ExpScale(top.largest(), params.temperatures.front()), exps.data());
  const double total = std::accumulate(exps.begin(), exps.end(), 0.0);
  log_total = std::log(total);
  probs.resize(logits.size());
  for (size_t id = 0; id < probs.size(); ++id) probs[id] = exps[id] / total;
  const double offset = UniformAt(seed, RandomPurpose::kSelection, view.epoch, view.sample_id, view.position);
  SampledClasses sampled = SampleByThreshold(probs, RankClasses(top.ids(), top.logits()), offset);
  log_probs.clear();
  for (const double prob : sampled.probs) log_probs.push_back(static_cast<float>(std::min(std::log(prob), 0.0)));
  labels->Append(sampled.ids, log_probs, 0);
  top.logits().clear();
  for (const uint32_t id : sampled.ids) top.logits().push_back(logits[id]);
}

void LabelSelector::Impl::AppendFurtherColumns(std::span<const float> logits, const SelectedView& view,
                                               LabelBatch* labels) {
  const double first = params.temperatures.front();
  if (params.true_label) {
    labels->true_log_probs.push_back(static_cast<float>(LogProb(logits[view.true_class], first)));
  }
  if (params.logits()) {
    labels->log_sum_exp.push_back(static_cast<float>(top.largest() / first + log_total));
    labels->logits.insert(labels->logits.end(), top.logits().begin(), top.logits().end());
  }
  for (size_t t = 1; t < params.temperatures.size(); ++t) {
    const bool all_listed = selection.kind == Selection::kSample;
    labels->other_tails.push_back(all_listed ? 0 : static_cast<float>(TailMass(logits, params.temperatures[t])));
  }
}

LabelSelector::LabelSelector(const CodecParams& params, const Selection& selection, uint64_t seed) {
  CheckParams(params);
  impl_ = std::make_unique<Impl>(params, selection, seed);
}

LabelSelector::~LabelSelector() = default;
LabelSelector::LabelSelector(LabelSelector&&) noexcept = default;
LabelSelector& LabelSelector::operator=(LabelSelector&&) noexcept = default;

void LabelSelector::Append(std::span<const float> logits, const SelectedView& view, LabelBatch* labels) {
  Impl& self = *impl_;
  self.FindTopClasses(logits, view);
  self.selection.kind == Selection::kSample ? self.ListSample(logits, view, labels) : self.ListTop(logits, labels);
  self.AppendFurtherColumns(logits, view, labels);
}

const CodecParams& LabelSelector::params() const {
  return impl_->params;
}
const Selection& LabelSelector::selection() const {
  return impl_->selection;
}

void LabelSelector::AppendRanked(const RankedRow& row, const SelectedView& view, LabelBatch* labels) {
  AppendRankedLabel(impl_->params, impl_->selection, row, view, labels);
}

}  // namespace decant
