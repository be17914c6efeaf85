#pragma once

#include <cstdint>
#include <vector>

namespace decant {

// What the codes of a label's entries stand for.
enum class Values : uint8_t {
  kLogProbs,    // log-probabilities rounded to steps: bounded error
  kFp16Probs,   // probabilities that are float16 numbers, as TinyViT stores them: exact
  kBf16Logits,  // logits that are bfloat16 numbers, beside their log-sum-exp: exact
  kFp16Logits,  // logits that are float16 numbers, beside their log-sum-exp: exact
};

// What a chunk needs to be read besides the codec tables: the binding part of the schema that the codec uses.
struct CodecParams {
  uint32_t num_classes = 0;  // ids are below it
  uint32_t k = 0;            // the most entries of a label, 1 <= k <= num_classes
  Values values = Values::kLogProbs;
  // Step in nats of log-probabilities and of log tail mass. With `max_delta` above it the steps are graded: the step is
  // min(delta / sqrt(p), max_delta) at the probability p.
  double delta = 0;
  double max_delta = 0;  // 0: every step is delta
  // Ascending. Log-probabilities are stored at the first; each further one costs a tail mass.
  std::vector<double> temperatures = {1};
  bool true_label = false;         // the log-probability of the sample's true class
  bool record_order = false;       // kFp16Probs: the order of equal entries, and 32 bits of each record besides
  bool windows = false;            // a sample is a window of tokens, with a label for each token position
  bool view_fingerprints = false;  // 16 bits of what was drawn for each sample's view

  bool graded() const { return max_delta > delta; }
  bool logits() const { return values == Values::kBf16Logits || values == Values::kFp16Logits; }
  // Whether a label has LabelCodes::extras.
  bool has_extras() const { return logits() || record_order; }
  bool operator==(const CodecParams&) const = default;
};

}  // namespace decant
