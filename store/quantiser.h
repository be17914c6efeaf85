#pragma once

#include <vector>

#include "decant/store/label_codes.h"
#include "decant/store/soft_label.h"

#include "value_grid.h"

namespace decant {

// Turns soft labels into codes and back. Immutable: safe to share between threads.
class Quantiser {
 public:
  // kInvalidArgument for parameters that no store can have. `places`, which must outlive the quantiser, has the place
  // of each class in the order in which labels list them; empty when that is the order of the ids.
  Quantiser(const CodecParams& params, const std::vector<uint32_t>* places);

  // Appends to `kl`, unless it is null, KL(teacher || stored) of each label at the first temperature, in nats.
  LabelCodes Quantise(const LabelBatch& labels, std::vector<double>* kl) const;
  void Dequantise(const LabelCodes& codes, size_t begin, size_t end, size_t temperature, LabelBatch* labels) const;

  // Lists each label's entries by place. kInvalidArgument when a class comes twice.
  void SortEntries(LabelCodes* codes) const;

 private:
  void CheckColumns(const LabelBatch& labels) const;
  void CheckLabels(const LabelBatch& labels) const;
  [[noreturn]] void RefuseLabel(const LabelBatch& labels, size_t i) const;
  void RoundLogits(const LabelBatch& labels, size_t i, LabelCodes* codes) const;
  double Divergence(const LabelBatch& labels, size_t i, const float* probs, double total,
                    const LabelCodes& codes) const;
  void Normalise(const LabelCodes& codes, size_t begin, size_t end, LabelBatch* labels) const;
  void Restore(const LabelCodes& codes, size_t i, LabelBatch* labels) const;
  void Temper(double ratio, double tail_mass, size_t i, LabelBatch* labels) const;

  uint16_t TailCode(double tail_mass) const;
  double TailMass(uint16_t code) const;
  uint16_t OddsCode(double tail_mass) const;
  double TailMassOfOdds(uint16_t code) const;

  CodecParams params_;
  const std::vector<uint32_t>* places_;
  ValueGrid grid_;
  ValueGrid tail_grid_;
};

}  // namespace decant
