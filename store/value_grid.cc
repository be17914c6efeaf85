#include "value_grid.h"

#include <algorithm>
#include <cmath>

#include "decant/base/error.h"
#include "decant/base/half.h"
#include "decant/store/label_codes.h"

namespace decant {
namespace {

constexpr size_t kNumCodes = kLargestCode + size_t{1};
constexpr double kNearbyPerNat = 32;
constexpr uint16_t kFp16One = 0x3c00;

// Bits of floating-point numbers as integers in the order of the numbers, and back.
uint16_t OrderedFromBits(uint16_t bits) {
  return bits & 0x8000 ? static_cast<uint16_t>(~bits) : static_cast<uint16_t>(bits | 0x8000);
}
uint16_t BitsFromOrdered(uint16_t ordered) {
  return ordered & 0x8000 ? static_cast<uint16_t>(ordered & 0x7fff) : static_cast<uint16_t>(~ordered);
}

double ExactNumber(Values values, uint16_t code) {
  if (values == Values::kFp16Probs) {
    return code > kFp16One ? -HUGE_VAL : std::log(double{Fp16ToFloat(static_cast<uint16_t>(kFp16One - code))});
  }
  const uint16_t bits = BitsFromOrdered(static_cast<uint16_t>(0xffff - code));
  return values == Values::kBf16Logits ? Bf16ToFloat(bits) : Fp16ToFloat(bits);
}

}  // namespace

ValueGrid::ValueGrid(const CodecParams& params)
    : values_(params.values),
      inverse_delta_(1 / params.delta),
      graded_(params.graded()),
      numbers_(65536),
      masses_(65536) {
  if (!(params.delta >= 0x1p-10 && params.delta <= 1)) {
    Fail(ErrorCode::kInvalidArgument, "labels.delta is {}, but must be {} to 1 nats", params.delta, 0x1p-10);
  }
  if (params.max_delta != 0 && !(params.max_delta >= params.delta && params.max_delta <= 2)) {
    Fail(ErrorCode::kInvalidArgument, "labels.max_delta is {}, but must be labels.delta to 2 nats, or 0",
         params.max_delta);
  }
  double number = 0;
  for (size_t code = 0; code < kNumCodes; ++code) {
    if (values_ != Values::kLogProbs) {
      numbers_[code] = ExactNumber(values_, static_cast<uint16_t>(code));
    } else if (graded_) {
      numbers_[code] = -number;
      number += std::min(params.delta * std::exp(number / 2), params.max_delta);
    } else {
      numbers_[code] = -params.delta * static_cast<double>(code);
    }
    if (!params.logits()) masses_[code] = static_cast<uint64_t>(std::llrint(std::exp(numbers_[code]) / kMassUnit));
  }
  if (graded_) {
    nearby_.resize(static_cast<size_t>(64 * kNearbyPerNat));
    uint16_t code = 0;
    for (size_t i = 0; i < nearby_.size(); ++i) {
      while (-numbers_[code + 1] <= static_cast<double>(i) / kNearbyPerNat) ++code;
      nearby_[i] = code;
    }
  }
}

uint16_t ValueGrid::LogProbCode(double log_prob) const {
  if (!graded_) return static_cast<uint16_t>(std::min(-log_prob * inverse_delta_ + 0.5, double{kLargestCode}));
  const double index = std::min(-log_prob * kNearbyPerNat, static_cast<double>(nearby_.size() - 1));
  size_t code = nearby_[static_cast<size_t>(index)];
  while (code < kLargestCode && numbers_[code] + numbers_[code + 1] > 2 * log_prob) ++code;
  return static_cast<uint16_t>(code);
}

void ValueGrid::RoundLogProbs(std::span<const float> log_probs, uint16_t* codes) const {
  if (values_ == Values::kLogProbs && !graded_) {
    const double scale = inverse_delta_;
    for (size_t i = 0; i < log_probs.size(); ++i) {
      codes[i] = static_cast<uint16_t>(static_cast<int>(std::min(-log_probs[i] * scale + 0.5, double{kLargestCode})));
    }
    return;
  }
  for (size_t i = 0; i < log_probs.size(); ++i) codes[i] = Code(log_probs[i]);
}

uint16_t ValueGrid::Code(double number) const {
  switch (values_) {
    case Values::kLogProbs:
      return LogProbCode(number);
    case Values::kFp16Probs:
      return kFp16One - FloatToFp16(static_cast<float>(std::exp(number)));
    case Values::kBf16Logits:
      return 0xffff - OrderedFromBits(FloatToBf16(static_cast<float>(number)));
    case Values::kFp16Logits:
      return 0xffff - OrderedFromBits(FloatToFp16(static_cast<float>(number)));
  }
  return 0;
}

double KlBoundOf(const CodecParams& params) {
  if (params.values != Values::kLogProbs) return 0;
  const double coarsest = params.graded() ? params.max_delta : params.delta;
  const double hoeffding = coarsest * coarsest / 8;
  if (!params.graded()) return hoeffding;
  // An entry of probability p is off by e with p e^2 <= delta^2 / 4 and |e| <= max_delta / 2 =: h, and then
  // p (exp(e) - 1 - e) <= (delta^2 / 4) (exp(h) - 1 - h) / h^2.
  const double h = params.max_delta / 2;
  const double terms = std::min<double>(params.k, params.num_classes) + 1;
  return std::min(hoeffding, terms * params.delta * params.delta / 4 * (std::expm1(h) - h) / (h * h));
}

}  // namespace decant
