#pragma once

#include <cstdint>
#include <vector>

#include "decant/store/label_codes.h"

namespace decant {

// Orders of the classes that bring together what labels list together. Ties go to the smaller id.

// The most often listed first. [num_classes] class ids.
std::vector<uint32_t> FrequencyOrder(uint32_t num_classes, const LabelCodes& codes);

// Classes that are listed in the same labels are neighbours: the leaves of an agglomerative clustering by average
// linkage (Sokal and Michener 1958), merging all reciprocal nearest neighbours at once, which gives the same tree
// (Murtagh 1983). The affinity of two classes is the number of labels that list both, one of them among the likeliest,
// over the geometric mean of how often each is listed. [num_classes] class ids.
std::vector<uint32_t> AffinityOrder(uint32_t num_classes, const LabelCodes& codes);

}  // namespace decant
