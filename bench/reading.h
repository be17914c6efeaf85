#pragma once

#include <cstdint>

#include "decant/bench/store_benchmark.h"

#include "label_rows.h"

namespace decant {

// Labels at random positions, `num_reads` of them or what `seconds` allow, by the clock on the wall. The positions are
// a function of `seed`.
ReadFigures ReadRandomly(LabelRows* rows, uint64_t num_labels, uint64_t num_reads, double seconds, uint64_t seed);
// Labels in order from the first on, all of them or what `seconds` allow.
ReadFigures ReadInOrder(LabelRows* rows, uint64_t num_labels, double seconds);
// Reads some labels both ways. kInternal when they are not those of `labels`.
void CheckRows(LabelRows* rows, const CycledLabels& labels, uint64_t num_labels);

double SecondsNow();

}  // namespace decant
