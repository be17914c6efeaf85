#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "decant/base/half.h"
#include "decant/store/chunk_codec.h"

namespace decant {

// Labels of any kind that a store can have.
struct CaseLabels {
  uint32_t num_labels = 12;
  bool variable_counts = false;
  bool tail = true;
  // Classes have their places in a scattered order.
  uint32_t company = 0;  // 0: a label lists any; else those of its likeliest's branch of a tree, so many levels up
  bool zipf = false;     // low places are listed more often
  uint64_t seed = 1;
};

// One way to keep labels: what is in a schema, beside labels that go with it.
struct CodecCase {
  std::string name;
  CodecParams params;
  CaseLabels labels;
  enum Tables { kDefault, kNone, kLearnt } tables = kDefault;
};

class LabelMaker {
 public:
  LabelMaker(const CodecParams& params, const CaseLabels& options)
      : params_(params), options_(options), bits_(options.seed) {}

  LabelBatch Make() {
    for (uint32_t i = 0; i < options_.num_labels; ++i) AddLabel();
    if (params_.windows) {
      for (uint32_t end = 0, length = 1; end < labels_.size(); length = (length * 3 + 1) % 5) {
        end = std::min<uint32_t>(end + length, static_cast<uint32_t>(labels_.size()));
        labels_.window_offsets.push_back(end);
        labels_.window_hashes.push_back(bits_());
      }
    }
    if (params_.view_fingerprints) {
      for (size_t i = 0; i < labels_.num_samples(); ++i) {
        labels_.view_fingerprints.push_back(static_cast<uint16_t>(bits_() >> 16));
      }
    }
    return labels_;
  }

 private:
  double Uniform() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }

  // So that neighbours are not neighbours by id.
  uint32_t Scatter(uint64_t place) const { return static_cast<uint32_t>(place * 2654435761u % params_.num_classes); }

  uint32_t DrawClass(uint64_t centre) {
    const uint64_t classes = params_.num_classes;
    if (options_.zipf) return Scatter(static_cast<uint64_t>(std::pow(static_cast<double>(classes), Uniform())) - 1);
    if (options_.company == 0) return static_cast<uint32_t>(bits_() % classes);
    const uint64_t branch = (uint64_t{1} << (1 + bits_() % options_.company)) - 1;
    return Scatter((centre ^ (bits_() & branch)) % classes);
  }

  std::vector<uint32_t> DrawClasses() {
    const uint32_t count = options_.variable_counts ? 1 + static_cast<uint32_t>(bits_() % params_.k) : params_.k;
    const uint64_t centre = bits_() % params_.num_classes;
    std::vector<uint32_t> ids;
    if (options_.company > 0) ids.push_back(Scatter(centre));
    while (ids.size() < count) {
      const uint32_t id = count == params_.num_classes ? static_cast<uint32_t>(ids.size()) : DrawClass(centre);
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
    return ids;
  }

  // As the store's number format has it.
  double Rounded(double logit) const {
    const auto value = static_cast<float>(logit);
    if (params_.values == Values::kBf16Logits) return Bf16ToFloat(FloatToBf16(value));
    if (params_.values == Values::kFp16Logits) return Fp16ToFloat(FloatToFp16(value));
    return logit;
  }

  void AddLabel() {
    const std::vector<uint32_t> ids = DrawClasses();
    std::vector<double> logits;
    double listed = 0;
    const double spread = 4 + 12 * Uniform();
    for (size_t entry = 0; entry < ids.size(); ++entry) {
      logits.push_back(Rounded(spread * (entry == 0 ? 1 : Uniform() * Uniform()) + 3));
      listed += std::exp(logits.back());
    }
    const bool has_tail = options_.tail && ids.size() < params_.num_classes;
    const double tail_odds = has_tail ? std::exp(6 * Uniform() - 5) : 0;
    const auto log_sum_exp = static_cast<float>(std::log(listed * (1 + tail_odds)));
    double tail = tail_odds / (1 + tail_odds);
    std::vector<float> log_probs;
    double total = 0;
    for (const double logit : logits) {
      double log_prob = std::min(logit - log_sum_exp, 0.0);
      if (params_.values == Values::kFp16Probs) {
        log_prob = std::log(Fp16ToFloat(FloatToFp16(static_cast<float>(std::exp(log_prob)))));
      }
      log_probs.push_back(static_cast<float>(log_prob));
      total += std::exp(log_prob);
    }
    if (params_.values == Values::kFp16Probs) tail = std::max(0.0, 1 - total);
    labels_.Append(ids, log_probs, static_cast<float>(tail));
    for (size_t t = 1; t < params_.temperatures.size(); ++t) {
      labels_.other_tails.push_back(has_tail ? static_cast<float>(std::pow(tail, 1 / params_.temperatures[t])) : 0.0f);
    }
    if (params_.true_label) labels_.true_log_probs.push_back(static_cast<float>(-9 * Uniform() * Uniform()));
    if (params_.logits()) {
      labels_.log_sum_exp.push_back(log_sum_exp);
      for (const double logit : logits) labels_.logits.push_back(static_cast<float>(logit));
    }
  }

  CodecParams params_;
  CaseLabels options_;
  std::mt19937_64 bits_;
  LabelBatch labels_;
};

inline LabelBatch MakeLabels(const CodecParams& params, const CaseLabels& options) {
  return LabelMaker(params, options).Make();
}

// One of each kind. The golden files are named after them.
inline std::vector<CodecCase> CodecCases() {
  const CaseLabels in_company = {.company = 7};
  return {
      {"default_tables", {.num_classes = 10, .k = 3, .delta = 0.25}, {}},
      {"variable_counts", {.num_classes = 10, .k = 6, .delta = 0x1p-5}, {.variable_counts = true}},
      {"without_tail", {.num_classes = 7, .k = 7, .delta = 0x1p-5}, {.tail = false}},
      {"one_class", {.num_classes = 1, .k = 1, .delta = 0x1p-5}, {}},
      {"learnt_none", {.num_classes = 300, .k = 9, .delta = 0x1p-5}, {}, CodecCase::kNone},
      {"learnt_anchored", {.num_classes = 509, .k = 8, .delta = 0x1p-5}, in_company, CodecCase::kLearnt},
      {"learnt_frequency",
       {.num_classes = 700, .k = 12, .delta = 0x1p-5},
       {.variable_counts = true, .zipf = true},
       CodecCase::kLearnt},
      {"graded", {.num_classes = 300, .k = 20, .delta = 0x1p-7, .max_delta = 0.5}, {}, CodecCase::kNone},
      {"fp16_probs",
       {.num_classes = 100, .k = 10, .values = Values::kFp16Probs, .delta = 0x1p-5},
       {},
       CodecCase::kNone},
      {"record_order",
       {.num_classes = 512, .k = 10, .values = Values::kFp16Probs, .delta = 0x1p-5, .record_order = true},
       in_company,
       CodecCase::kLearnt},
      {"bf16_logits", {.num_classes = 300, .k = 8, .values = Values::kBf16Logits, .delta = 0x1p-5}, {}},
      {"fp16_logits",
       {.num_classes = 512,
        .k = 8,
        .values = Values::kFp16Logits,
        .delta = 0x1p-5,
        .max_delta = 0.25,
        .temperatures = {1, 2},
        .true_label = true},
       in_company,
       CodecCase::kLearnt},
      {"temperatures", {.num_classes = 50, .k = 5, .delta = 0x1p-5, .temperatures = {1.5, 2, 10}}, {}},
      {"true_label", {.num_classes = 50, .k = 5, .delta = 0x1p-5, .true_label = true}, {.variable_counts = true}},
      {"windows",
       {.num_classes = 700, .k = 6, .delta = 0x1p-5, .true_label = true, .windows = true},
       {.variable_counts = true, .zipf = true},
       CodecCase::kLearnt},
      {"wide_ids", {.num_classes = 0xffffffff, .k = 4, .delta = 0x1p-5}, {.variable_counts = true}},
      {"view_fingerprints", {.num_classes = 10, .k = 4, .delta = 0x1p-5, .view_fingerprints = true}, {}},
      {"window_fingerprints",
       {.num_classes = 90, .k = 4, .delta = 0x1p-5, .windows = true, .view_fingerprints = true},
       {.variable_counts = true}},
  };
}

inline CodecTables TablesOf(const CodecCase& a_case) {
  if (a_case.tables == CodecCase::kDefault) return DefaultTables(a_case.params);
  CaseLabels calibration = a_case.labels;
  calibration.num_labels = 4000;
  calibration.seed = 99;
  return LearnTables(a_case.params, MakeLabels(a_case.params, calibration),
                     a_case.tables == CodecCase::kNone ? Prior::kNone : Prior::kLearnt);
}

inline ChunkPlace PlaceOf(const LabelCodes& codes) {
  const size_t num_samples = codes.windows.empty() ? codes.size() : codes.windows.size() - 1;
  return {.epoch = 3, .chunk = uint64_t{1} << 40, .num_samples = static_cast<uint32_t>(num_samples)};
}

}  // namespace decant
