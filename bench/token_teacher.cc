#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "decant/bench/synthetic_teacher.h"

#include "fast_random.h"
#include "inclusion_entropy.h"

namespace decant {
namespace {

constexpr uint16_t kVocabularyStream = 2;
constexpr uint16_t kContextStream = 3;
constexpr uint16_t kTopicStream = 4;
// The likeliest token of most contexts ends up between 16 and 32, where bfloat16 has steps of 1/8.
constexpr double kHeadLevel = 20;
constexpr double kKindsPerOctave = 8;

float RoundToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits += 0x7fff + (bits >> 16 & 1);
  bits &= 0xffff0000;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

class TokenTeacher : public SyntheticTeacher {
 public:
  explicit TokenTeacher(const TokenTeacherParams& params) : params_(params) {
    ScatterRanks();
    double total = 0;
    for (uint32_t token = 0; token < params.num_tokens; ++token) {
      const double logit = -params.prior_weight * std::log(rank_of_token_[token] + 1.0);
      bulk_.push_back(static_cast<float>(logit));
      total += std::exp(logit);
    }
    // The mass of the bulk is e^0 now, so that the head's is e^(log odds).
    const double log_mass = std::log(total) + params.bulk_sigma * params.bulk_sigma / 2;
    for (float& logit : bulk_) logit += static_cast<float>(kHeadLevel - params.head_log_odds - log_mass);
  }

  uint32_t num_classes() const override { return params_.num_tokens; }
  uint32_t k() const override { return params_.k; }

  void Logits(uint64_t index, std::span<float> logits) const override {
    FastRandom random(params_.seed, index, kContextStream);
    std::copy(bulk_.begin(), bulk_.end(), logits.begin());
    normal_.AddTo(logits, static_cast<float>(params_.bulk_sigma), &random);
    RaiseHead(&random, logits);
    for (float& logit : logits) logit = RoundToBf16(logit);
  }

  double IdEntropyBits(uint64_t, const LabelBatch& labels) const override {
    InclusionEntropy entropy(Kind(params_.num_tokens - 1) + 1);
    for (uint32_t rank = 0; rank < params_.num_tokens; ++rank) entropy.AddClasses(Kind(rank), labels.size());
    for (const uint32_t id : labels.ids) entropy.AddIncluded(Kind(rank_of_token_[id]));
    return entropy.Bits() / static_cast<double>(labels.size());
  }

 private:
  // Token numbers follow frequency roughly, as merges do: within [2^b, 2^(b+1)) they are shuffled.
  void ScatterRanks() {
    FastRandom random(params_.seed, 0, kVocabularyStream);
    token_of_rank_.resize(params_.num_tokens);
    std::iota(token_of_rank_.begin(), token_of_rank_.end(), 0);
    for (uint32_t begin = 1; begin < params_.num_tokens; begin *= 2) {
      const uint32_t count = std::min(begin, params_.num_tokens - begin);
      for (uint32_t i = count; i > 1; --i) {
        std::swap(token_of_rank_[begin + i - 1], token_of_rank_[begin + random.Below(i)]);
      }
    }
    rank_of_token_.resize(params_.num_tokens);
    for (uint32_t rank = 0; rank < params_.num_tokens; ++rank) rank_of_token_[token_of_rank_[rank]] = rank;
  }

  // Zipf's law with exponent 1 over the first `num_ranks` ranks: their logarithm is uniform.
  uint32_t ZipfToken(double uniform, double num_ranks) const {
    const double rank = std::pow(num_ranks + 1, uniform) - 1;
    return token_of_rank_[std::min(static_cast<uint32_t>(rank), params_.num_tokens - 1)];
  }

  // The next candidate of a context about `topic`: a word that is frequent everywhere, or one of the topic's.
  uint32_t DrawCandidate(uint32_t topic, FastRandom* random) const {
    if (random->Uniform() < params_.common_candidates) return ZipfToken(random->Uniform(), 4096);
    const double place = random->Uniform();
    const auto slot = static_cast<uint32_t>(params_.topic_tokens * place * place);
    FastRandom topic_word(params_.seed, uint64_t{topic} << 32 | slot, kTopicStream);
    return ZipfToken(topic_word.Uniform(), params_.num_tokens);
  }

  void RaiseHead(FastRandom* random, std::span<float> logits) const {
    const uint32_t topic = random->Below(params_.num_topics);
    const double exponent = random->Uniform(params_.head_exponent_low, params_.head_exponent_high);
    double mass = 0;
    for (uint32_t rank = 1; rank <= params_.candidates; ++rank) mass += std::pow(rank, -exponent);
    const double top = kHeadLevel + params_.head_log_odds_spread * double{normal_.Draw(random)} - std::log(mass);
    for (uint32_t rank = 1; rank <= params_.candidates; ++rank) {
      const uint32_t token = DrawCandidate(topic, random);
      const double logit = top - exponent * std::log(rank) + params_.head_noise * double{normal_.Draw(random)};
      logits[token] = std::max(logits[token], static_cast<float>(logit));
    }
  }

  static size_t Kind(uint32_t rank) { return static_cast<size_t>(kKindsPerOctave * std::log2(rank + 1.0)); }

  const TokenTeacherParams params_;
  const NormalTable normal_;
  std::vector<uint32_t> token_of_rank_;
  std::vector<uint32_t> rank_of_token_;
  std::vector<float> bulk_;  // [token] the logit without noise
};

}  // namespace

std::unique_ptr<SyntheticTeacher> MakeTokenTeacher(const TokenTeacherParams& params) {
  return std::make_unique<TokenTeacher>(params);
}

}  // namespace decant
