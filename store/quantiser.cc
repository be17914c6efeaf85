#include "quantiser.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <span>
#include <utility>

#include "decant/base/clones.h"
#include "decant/base/error.h"

#include "avx512.h"
#include "bit_stream.h"

namespace decant {
namespace {

// How far a label's mass may be from 1 before it is called wrong: the float32 sums of large softmaxes stay well inside.
constexpr double kMassTolerance = 1e-3;
constexpr int kZeroOdds = 32767;
// How far log-probabilities may be from what an exact store gives back, in nats: rounding to float32, of logits too,
// stays well inside, and the neighbours of a float16 number are 5e-4 and more away.
constexpr double kLogitTolerance = 1e-3;
constexpr double kFp16Tolerance = 1e-5;

// exp(x) for x <= 0 to 2e-7, without branches, so that loops over it become vector code. 0 below -87.
inline float FastExp(float x) {
  const float clamped = std::max(x, -87.0f);
  const float scaled = clamped * 1.44269504f;
  const float whole = static_cast<float>(static_cast<int>(scaled - 0.5f));
  const float fraction =
      (clamped - whole * 0.693145752f) - whole * 1.42860677e-6f;  // Cody and Waite: ln 2 in two parts
  float power = 1.0f / 720;
  for (const float coefficient : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    power = power * fraction + coefficient;
  }
  const float result = power * std::bit_cast<float>((static_cast<int>(whole) + 127) << 23);
  return std::bit_cast<float>(std::bit_cast<int>(result) & -static_cast<int>(x >= -87.0f));
}

DECANT_CLONES("avx2")
void ExpAll(const float* __restrict x, size_t count, float* __restrict exps) {
  for (size_t i = 0; i < count; ++i) exps[i] = FastExp(x[i]);
}

DECANT_CLONES("avx512f")
uint64_t SumMasses(const uint64_t* masses, const uint16_t* values, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += masses[values[i]];
  return sum;
}

DECANT_CLONES("avx512f")
void PutLogProbs(const double* numbers, double log_total, const uint16_t* __restrict values, size_t count,
                 float* __restrict log_probs) {
  for (size_t i = 0; i < count; ++i) {
    const double log_prob = numbers[values[i]] - log_total;
    log_probs[i] = static_cast<float>(log_prob <= 0 ? log_prob : 0);
  }
}

// The place of each key among them, for keys that differ: the number of smaller ones.
void CountSmaller(const uint32_t* keys, size_t num_keys, uint32_t* ranks) {
  for (size_t i = 0; i < num_keys; ++i) {
    uint32_t rank = 0;
    for (size_t other = 0; other < num_keys; ++other) rank += keys[other] < keys[i];
    ranks[i] = rank;
  }
}

// Ranks numbers below 2^bits. In re-used memory.
class Ranker {
 public:
  explicit Ranker(unsigned bits) : bits_(bits) {}

  // For Rank() to read.
  uint32_t* Keys(size_t num_keys) {
    num_keys_ = num_keys;
    const size_t padded = (num_keys + kRankedAtOnce - 1) / kRankedAtOnce * kRankedAtOnce;
    keys_.assign(padded, UINT32_MAX);
    ranks_.resize(padded);
    return keys_.data();
  }
  // Of each key; false when keys are equal.
  bool Rank() {
    if (num_keys_ <= kFewest) {
      CountSmaller(keys_.data(), num_keys_, ranks_.data());
    } else if (num_keys_ <= kFew && HasAvx512()) {
      CountSmallerWide(keys_.data(), num_keys_, ranks_.data());
    } else {
      SortByDigits();
    }
    // Equal keys have equal ranks, the smallest of theirs.
    uint64_t sum = 0;
    for (size_t i = 0; i < num_keys_; ++i) sum += ranks_[i];
    return sum == uint64_t{num_keys_} * (num_keys_ - 1) / 2;
  }
  uint32_t operator[](size_t i) const { return ranks_[i]; }

 private:
  static constexpr size_t kFewest = 8, kFew = 256;  // keys that are compared with each other

  void SortByDigits() {
    constexpr unsigned kDigitBits = 8;
    sorted_.resize(num_keys_);
    spare_.resize(num_keys_);
    for (size_t i = 0; i < num_keys_; ++i) sorted_[i] = uint64_t{keys_[i]} << 32 | i;
    for (unsigned shift = 32; shift < 32 + bits_; shift += kDigitBits) {
      std::array<uint32_t, 1 << kDigitBits> starts{};
      for (const uint64_t key : sorted_) ++starts[LowBits(key >> shift, kDigitBits)];
      uint32_t start = 0;
      for (uint32_t& slot : starts) start += std::exchange(slot, start);
      for (const uint64_t key : sorted_) spare_[starts[LowBits(key >> shift, kDigitBits)]++] = key;
      sorted_.swap(spare_);
    }
    uint32_t rank = 0;
    for (uint32_t i = 0; i < num_keys_; ++i) {
      if (i > 0 && sorted_[i] >> 32 != sorted_[i - 1] >> 32) rank = i;
      ranks_[static_cast<uint32_t>(sorted_[i])] = rank;
    }
  }

  unsigned bits_;
  size_t num_keys_ = 0;
  std::vector<uint32_t> keys_, ranks_;
  std::vector<uint64_t> sorted_, spare_;  // key | index
};

// Appends `count` values; returns the first.
float* Grow(std::vector<float>* values, size_t count) {
  values->resize(values->size() + count);
  return values->data() + (values->size() - count);
}

// In four parts, which do not wait for each other.
double Sum(std::span<const float> values) {
  double parts[4] = {};
  size_t i = 0;
  for (; i + 4 <= values.size(); i += 4) {
    for (size_t part = 0; part < 4; ++part) parts[part] += values[i + part];
  }
  for (; i < values.size(); ++i) parts[0] += values[i];
  return parts[0] + parts[1] + parts[2] + parts[3];
}

void CheckMass(size_t i, double total) {
  if (!(std::abs(total - 1) <= kMassTolerance)) {
    Fail(ErrorCode::kInvalidArgument, "label {}: probabilities and tail mass sum to {}, not to 1", i, total);
  }
}

// What an exact store will give back is the log-probability.
void CheckExact(size_t i, double stored, float log_prob, double tolerance) {
  if (stored != log_prob && !(std::abs(stored - log_prob) <= tolerance)) {
    Fail(ErrorCode::kInvalidArgument, "label {}: the log-probability {} would come back as {}", i, log_prob, stored);
  }
}

// For entries in the order of their record.
void RankTies(LabelCodes* codes) {
  codes->extras.assign(codes->size(), 0);
  const auto values = codes->values.begin();
  for (size_t i = 0; i < codes->size(); ++i) {
    for (uint32_t entry = codes->offsets[i]; entry < codes->offsets[i + 1]; ++entry) {
      const auto rank = std::count(values + codes->offsets[i], values + entry, codes->values[entry]);
      codes->tie_ranks.push_back(static_cast<uint32_t>(rank));
    }
  }
}

CodecParams TailParams(const CodecParams& params) {
  CodecParams tail = params;
  tail.values = Values::kLogProbs;
  return tail;
}

}  // namespace

Quantiser::Quantiser(const CodecParams& params, const std::vector<uint32_t>* places)
    : params_(params), places_(places), grid_(params), tail_grid_(TailParams(params)) {}

uint16_t Quantiser::TailCode(double tail_mass) const {
  return tail_mass > 0 ? tail_grid_.Code(std::log(tail_mass)) : kNoTail;
}

double Quantiser::TailMass(uint16_t code) const {
  return code == kNoTail ? 0 : std::exp(tail_grid_.Number(code));
}

uint16_t Quantiser::OddsCode(double tail_mass) const {
  if (!(tail_mass > 0)) return kNoTail;
  const double odds = std::log(tail_mass) - std::log1p(-std::min(tail_mass, 1 - 0x1p-53));
  return static_cast<uint16_t>(std::clamp(std::nearbyint(odds / params_.delta), -32767.0, 32767.0) + kZeroOdds);
}

double Quantiser::TailMassOfOdds(uint16_t code) const {
  return code == kNoTail ? 0 : 1 / (1 + std::exp(-params_.delta * (static_cast<int>(code) - kZeroOdds)));
}

// Finds what is wrong with a label that is not right.
void Quantiser::RefuseLabel(const LabelBatch& labels, size_t i) const {
  const auto ids = labels.LabelIds(i);
  if (ids.empty() || ids.size() > params_.k) {
    Fail(ErrorCode::kInvalidArgument, "label {}: {} entries, but must be 1 to k = {}", i, ids.size(), params_.k);
  }
  const auto log_probs = labels.LabelLogProbs(i);
  for (size_t entry = 0; entry < ids.size(); ++entry) {
    if (ids[entry] >= params_.num_classes) {
      Fail(ErrorCode::kInvalidArgument, "label {}, entry {}: class id {} is not below {}", i, entry, ids[entry],
           params_.num_classes);
    }
    if (!(log_probs[entry] <= 0)) {
      Fail(ErrorCode::kInvalidArgument, "label {}, entry {}: log-probability {} is not <= 0", i, entry,
           log_probs[entry]);
    }
  }
  Fail(ErrorCode::kInvalidArgument, "label {}: tail mass {} is not in [0, 1]", i, labels.tail_mass[i]);
}

void Quantiser::CheckLabels(const LabelBatch& labels) const {
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto ids = labels.LabelIds(i);
    const auto log_probs = labels.LabelLogProbs(i);
    unsigned wrong = ids.empty() || ids.size() > params_.k;
    for (const uint32_t id : ids) wrong |= id >= params_.num_classes;
    for (const float log_prob : log_probs) wrong |= !(log_prob <= 0);
    wrong |= !(labels.tail_mass[i] >= 0 && labels.tail_mass[i] <= 1);
    if (wrong) RefuseLabel(labels, i);
  }
}

void Quantiser::RoundLogits(const LabelBatch& labels, size_t i, LabelCodes* codes) const {
  if (!std::isfinite(labels.log_sum_exp[i])) {
    Fail(ErrorCode::kInvalidArgument, "label {}: a log-sum-exp of {}", i, labels.log_sum_exp[i]);
  }
  codes->extras.push_back(std::bit_cast<uint32_t>(labels.log_sum_exp[i]));
  for (size_t entry = labels.offsets[i]; entry < labels.offsets[i + 1]; ++entry) {
    const float logit = labels.logits[entry];
    codes->values[entry] = grid_.Code(logit);
    if (static_cast<float>(grid_.Number(codes->values[entry])) != logit) {
      Fail(ErrorCode::kInvalidArgument, "label {}: the logit {} is not a number of the 16-bit format of the store", i,
           logit);
    }
    CheckExact(i, double{logit} - labels.log_sum_exp[i], labels.log_probs[entry], kLogitTolerance);
  }
}

// KL(p || q) = log Z - sum of p_i e_i, where rounding added e_i to log p_i and Z is the sum of the rounded masses.
double Quantiser::Divergence(const LabelBatch& labels, size_t i, const float* probs, double total,
                             const LabelCodes& codes) const {
  if (params_.values != Values::kLogProbs) return 0;
  double error = 0;
  uint64_t mass = 0;
  for (size_t entry = labels.offsets[i]; entry < labels.offsets[i + 1]; ++entry) {
    const uint16_t code = codes.values[entry];
    if (probs[entry] > 0) error += probs[entry] * (grid_.Number(code) - labels.log_probs[entry]);
    mass += grid_.Mass(code);
  }
  const double tail = labels.tail_mass[i];
  if (tail > 0) {
    error += tail * (tail_grid_.Number(codes.tails[i]) - std::log(tail));
    mass += tail_grid_.Mass(codes.tails[i]);
  }
  return std::max(0.0, std::log(static_cast<double>(mass) * ValueGrid::kMassUnit / total) - error / total);
}

void Quantiser::SortEntries(LabelCodes* codes) const {
  const uint32_t* const places = places_->empty() ? nullptr : places_->data();
  Ranker ranker(BitWidth(params_.num_classes - 1));
  std::vector<uint32_t> spare;
  std::vector<uint16_t> spare_values;
  for (size_t i = 0; i < codes->size(); ++i) {
    const size_t first = codes->offsets[i];
    const size_t count = codes->offsets[i + 1] - first;
    uint32_t* const ids = codes->ids.data() + first;
    uint32_t* const keys = ranker.Keys(count);
    bool ascending = true;
    for (size_t entry = 0; entry < count; ++entry) {
      keys[entry] = places ? places[ids[entry]] : ids[entry];
      ascending &= entry == 0 || keys[entry] > keys[entry - 1];
    }
    if (ascending) continue;
    if (!ranker.Rank()) {
      std::sort(ids, ids + count);
      Fail(ErrorCode::kInvalidArgument, "label {}: class id {} comes twice", i, *std::adjacent_find(ids, ids + count));
    }
    const auto arrange = [&](auto* column, auto* unsorted) {
      unsorted->assign(column->data() + first, column->data() + first + count);
      for (size_t entry = 0; entry < count; ++entry) (*column)[first + ranker[entry]] = (*unsorted)[entry];
    };
    arrange(&codes->ids, &spare);
    arrange(&codes->values, &spare_values);
    if (!codes->tie_ranks.empty()) arrange(&codes->tie_ranks, &spare);
  }
}

void Quantiser::CheckColumns(const LabelBatch& labels) const {
  const auto check = [](std::string_view column, size_t expected, size_t found) {
    if (expected == found) return;
    Fail(ErrorCode::kInvalidArgument, "{}: expected {} values, found {}", column, expected, found);
  };
  check("other_tails", labels.size() * (params_.temperatures.size() - 1), labels.other_tails.size());
  check("true_log_probs", params_.true_label ? labels.size() : 0, labels.true_log_probs.size());
  check("logits", params_.logits() ? labels.num_entries() : 0, labels.logits.size());
  check("log_sum_exp", params_.logits() ? labels.size() : 0, labels.log_sum_exp.size());
  if (params_.windows && labels.window_offsets.back() != labels.size()) {
    check("labels of the windows", labels.size(), labels.window_offsets.back());
  }
  const size_t num_windows = labels.window_offsets.size() - 1;
  check("window_hashes", num_windows, labels.window_hashes.size());
  const size_t num_samples = params_.windows ? num_windows : labels.size();
  check("view_fingerprints", params_.view_fingerprints ? num_samples : 0, labels.view_fingerprints.size());
}

LabelCodes Quantiser::Quantise(const LabelBatch& labels, std::vector<double>* kl) const {
  CheckColumns(labels);
  CheckLabels(labels);
  std::vector<float> probs(labels.num_entries());
  ExpAll(labels.log_probs.data(), probs.size(), probs.data());

  LabelCodes codes;
  codes.offsets = labels.offsets;
  codes.ids = labels.ids;
  codes.values.resize(labels.num_entries());
  if (!params_.logits()) grid_.RoundLogProbs(labels.log_probs, codes.values.data());
  for (size_t i = 0; i < labels.size(); ++i) {
    const double total = labels.tail_mass[i] +
                         Sum(std::span(probs).subspan(labels.offsets[i], labels.offsets[i + 1] - labels.offsets[i]));
    CheckMass(i, total);
    if (params_.logits()) RoundLogits(labels, i, &codes);
    if (params_.values == Values::kFp16Probs) {
      for (size_t entry = labels.offsets[i]; entry < labels.offsets[i + 1]; ++entry) {
        CheckExact(i, grid_.Number(codes.values[entry]), labels.log_probs[entry], kFp16Tolerance);
      }
    }
    if (params_.values != Values::kFp16Probs) codes.tails.push_back(TailCode(labels.tail_mass[i]));
    if (kl) kl->push_back(Divergence(labels, i, probs.data(), total, codes));
  }
  for (const float tail : labels.other_tails) codes.other_tails.push_back(OddsCode(tail));
  for (const float log_prob : labels.true_log_probs) codes.true_values.push_back(tail_grid_.Code(log_prob));
  if (params_.record_order) RankTies(&codes);
  if (params_.windows) {
    codes.windows = labels.window_offsets;
    codes.window_hashes = labels.window_hashes;
  }
  codes.view_fingerprints = labels.view_fingerprints;
  SortEntries(&codes);
  return codes;
}

// Appends the labels' log-probabilities at the first temperature and their tail mass.
void Quantiser::Normalise(const LabelCodes& codes, size_t begin, size_t end, LabelBatch* labels) const {
  constexpr size_t kLabelsAtOnce = 32;
  std::array<double, kLabelsAtOnce> totals, log_totals;
  for (; begin < end; begin += kLabelsAtOnce) {
    const size_t num_labels = std::min(kLabelsAtOnce, end - begin);
    const uint32_t* const offsets = codes.offsets.data() + begin;
    for (size_t i = 0; i < num_labels; ++i) {
      const size_t count = offsets[i + 1] - offsets[i];
      uint64_t mass = SumMasses(grid_.masses(), codes.values.data() + offsets[i], count);
      if (codes.tails[begin + i] != kNoTail) mass += tail_grid_.Mass(codes.tails[begin + i]);
      if (mass == 0) Fail(ErrorCode::kDataLoss, "label {}: no probability mass", begin + i);
      totals[i] = static_cast<double>(mass) * ValueGrid::kMassUnit;
    }
    for (size_t i = 0; i < num_labels; ++i) log_totals[i] = std::log(totals[i]);
    float* const log_probs = Grow(&labels->log_probs, offsets[num_labels] - offsets[0]);
    float* const tails = Grow(&labels->tail_mass, num_labels);
    for (size_t i = 0; i < num_labels; ++i) {
      PutLogProbs(grid_.numbers(), log_totals[i], codes.values.data() + offsets[i], offsets[i + 1] - offsets[i],
                  log_probs + (offsets[i] - offsets[0]));
      tails[i] = static_cast<float>(TailMass(codes.tails[begin + i]) / totals[i]);
    }
  }
}

// The same for exact values, which are what they are.
void Quantiser::Restore(const LabelCodes& codes, size_t i, LabelBatch* labels) const {
  const double log_sum_exp = params_.logits() ? std::bit_cast<float>(codes.extras[i]) : 0;
  if (!std::isfinite(log_sum_exp)) Fail(ErrorCode::kDataLoss, "label {}: a log-sum-exp of {}", i, log_sum_exp);
  double listed = 0;
  for (uint32_t entry = codes.offsets[i]; entry < codes.offsets[i + 1]; ++entry) {
    const double number = grid_.Number(codes.values[entry]);
    const double log_prob = std::min(number - log_sum_exp, 0.0);
    if (std::isnan(log_prob)) Fail(ErrorCode::kDataLoss, "label {}: a logit that is not a number", i);
    if (params_.logits()) labels->logits.push_back(static_cast<float>(number));
    labels->log_probs.push_back(static_cast<float>(log_prob));
    listed += std::exp(log_prob);
  }
  if (params_.logits()) labels->log_sum_exp.push_back(static_cast<float>(log_sum_exp));
  labels->tail_mass.push_back(
      static_cast<float>(params_.logits() ? TailMass(codes.tails[i]) : std::max(0.0, 1 - listed)));
}

// Takes label `i` of `labels` from the first temperature to another one: there the log-probabilities of the listed
// classes differ by the same ratios, times first / other; only the tail mass has to be known.
void Quantiser::Temper(double ratio, double tail_mass, size_t i, LabelBatch* labels) const {
  const size_t first = labels->offsets[i], last = labels->offsets[i + 1];
  double listed = 0;
  double largest = -HUGE_VAL;
  for (size_t entry = first; entry < last; ++entry) {
    largest = std::max(largest, double{labels->log_probs[entry]});
  }
  if (largest == -HUGE_VAL) Fail(ErrorCode::kDataLoss, "label {}: no probability mass", i);
  for (size_t entry = first; entry < last; ++entry) {
    listed += std::exp(ratio * (labels->log_probs[entry] - largest));
  }
  const double log_share = std::log1p(-std::min(tail_mass, 1 - 0x1p-53)) - std::log(listed);
  for (size_t entry = first; entry < last; ++entry) {
    labels->log_probs[entry] = static_cast<float>(ratio * (labels->log_probs[entry] - largest) + log_share);
  }
  labels->tail_mass[i] = static_cast<float>(tail_mass);
}

void Quantiser::Dequantise(const LabelCodes& codes, size_t begin, size_t end, size_t temperature,
                           LabelBatch* labels) const {
  const size_t num_temperatures = params_.temperatures.size();
  if (temperature >= num_temperatures) {
    Fail(ErrorCode::kInvalidArgument, "temperature {} of a store that has {}", temperature, num_temperatures);
  }
  const size_t first_label = labels->size();
  const auto begin_entry = static_cast<std::ptrdiff_t>(codes.offsets[begin]);
  const auto end_entry = static_cast<std::ptrdiff_t>(codes.offsets[end]);
  labels->ids.insert(labels->ids.end(), codes.ids.begin() + begin_entry, codes.ids.begin() + end_entry);
  const auto shift = labels->offsets.back() - codes.offsets[begin];
  if (params_.values == Values::kLogProbs) {
    Normalise(codes, begin, end, labels);
  } else {
    for (size_t i = begin; i < end; ++i) Restore(codes, i, labels);
  }
  for (size_t i = begin; i < end; ++i) labels->offsets.push_back(codes.offsets[i + 1] + shift);
  for (size_t i = begin; i < end; ++i) {
    if (temperature > 0) {
      const double tail = TailMassOfOdds(codes.other_tails[i * (num_temperatures - 1) + temperature - 1]);
      Temper(params_.temperatures.front() / params_.temperatures[temperature], tail, first_label + i - begin, labels);
    }
    if (params_.true_label) {
      labels->true_log_probs.push_back(static_cast<float>(tail_grid_.Number(codes.true_values[i])));
    }
  }
  if (!params_.windows && !codes.view_fingerprints.empty()) {
    const auto fingerprints = codes.view_fingerprints.begin();
    labels->view_fingerprints.insert(labels->view_fingerprints.end(), fingerprints + static_cast<std::ptrdiff_t>(begin),
                                     fingerprints + static_cast<std::ptrdiff_t>(end));
  }
}

}  // namespace decant
