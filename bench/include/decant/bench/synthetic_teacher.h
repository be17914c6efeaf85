#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "decant/store/soft_label.h"

namespace decant {

// A teacher made up for measuring: its logits are a pure function of (parameters, label index), and have the structure
// that real ones have (docs/benchmarks.md describes and justifies both kinds). Immutable: safe to share between
// threads.
class SyntheticTeacher {
 public:
  virtual ~SyntheticTeacher() = default;

  virtual uint32_t num_classes() const = 0;
  virtual uint32_t k() const = 0;
  // Writes the logits of label `index`, [num_classes()].
  virtual void Logits(uint64_t index, std::span<float> logits) const = 0;
  // Bits that the id sets of `labels`, those of [first_index, first_index + labels.size()), take on average when
  // whoever codes them knows the generator's classes, but neither its logits nor which classes like each other beyond
  // that: the binary entropies of the classes' inclusion, at the rate of their kind, added up. Images: the kind is
  // (distance in the tree to the true class, popularity), and the true class is paid for as well. Tokens: the kind is
  // the rank by frequency. A code of this length exists, so it is an upper bound of the entropy.
  virtual double IdEntropyBits(uint64_t first_index, const LabelBatch& labels) const = 0;
};

// Classes of images at the leaves of a random tree.
struct ImageTeacherParams {
  uint32_t num_classes = 1000;
  uint32_t k = 10;
  uint64_t seed = 1;
  double branching = 12;            // children of a node, on average; each node has 2/3 to 4/3 of it
  double leaf_signal = 5;           // logit of the true class above its siblings
  double node_signal = 6.5;         // logit that each level shared with the true class adds
  double leaf_noise = 1.6;          // standard deviation of each class's own noise
  double node_noise = 1.6;          // ... of the noise that the classes below a node share, for each level
  double popularity = 0.5;          // standard deviation of the logarithm of a class's popularity
  double confidence_spread = 0.22;  // ... of the logarithm of a sample's factor on signal and noise
  double mixed = 0.12;              // samples with a second class in the picture
};
std::unique_ptr<SyntheticTeacher> MakeImageTeacher(const ImageTeacherParams& params);

// Tokens of a language model's vocabulary. Logits are rounded to bfloat16.
struct TokenTeacherParams {
  uint32_t num_tokens = 151936;
  uint32_t k = 128;
  uint64_t seed = 1;
  double bulk_sigma = 2.7;            // standard deviation of every token's own noise
  double prior_weight = 0.2;          // exponent of the Zipf prior in the bulk
  uint32_t num_topics = 2048;         // what contexts are about
  uint32_t topic_tokens = 4096;       // tokens of a topic
  uint32_t candidates = 320;          // tokens that a context makes likely
  double common_candidates = 0.2;     // ... of which this share is frequent everywhere
  double head_exponent_low = 1.25;    // the candidates' probabilities fall as rank^-s,
  double head_exponent_high = 3.2;    // s uniform between the two
  double head_noise = 0.3;            // standard deviation of the logits around that law
  double head_log_odds = 4.0;         // mean over contexts of log(mass of candidates / mass of the bulk)
  double head_log_odds_spread = 1.5;  // ... and its standard deviation
};
std::unique_ptr<SyntheticTeacher> MakeTokenTeacher(const TokenTeacherParams& params);

// The labels [first_index, first_index + num_labels) as Decant's selection makes them: the k classes with the largest
// logits, at temperature 1. Uses `num_threads` threads; the result does not depend on it.
LabelBatch MakeLabels(const SyntheticTeacher& teacher, uint64_t first_index, size_t num_labels, unsigned num_threads);

}  // namespace decant
