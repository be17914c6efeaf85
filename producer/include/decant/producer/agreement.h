#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "decant/store/soft_label.h"

namespace decant {

// How far labels of the same views agree with what a teacher says now.
struct Agreement {
  uint64_t num_labels = 0;
  double top_1 = 0;    // share of labels with the same likeliest class
  double overlap = 0;  // mean share of the teacher's listed classes that the label lists too
  double kl_mean = 0;  // mean KL(teacher || label), nats, over the classes that both list and one bucket for all others
  double kl_deviation = 0;  // standard deviation of a single label's
};

// Of labels of equal number, `teacher`'s first. Entries in any order.
Agreement Compare(const LabelBatch& teacher, const LabelBatch& labels);

// What `found` misses of what a control allows: the same teacher twice, on other batches, once put through the store's
// codec. Empty when the labels are as good as the control's. The margins: three standard errors of both, and beside
// them 0.2 % of the likeliest classes, 0.5 % of the listed ones, and half of the control's divergence plus 1e-5 nats.
std::vector<std::string> Disagreements(const Agreement& found, const Agreement& control);

}  // namespace decant
