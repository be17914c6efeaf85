#pragma once

#include <cstdint>
#include <vector>

#include "decant/store/layout.h"
#include "decant/store/schema.h"

namespace decant {

// Spans that are labelled together: the same positions in epochs that share an order, so that a sample that is decoded
// once gives a view for each. With an order for every epoch a group is a span, and has its number.
class SpanGroups {
 public:
  // epochs_per_order at least 1.
  SpanGroups(const Layout& layout, uint32_t epochs_per_order) : layout_(layout), epochs_per_order_(epochs_per_order) {}

  uint64_t GroupOf(uint64_t span) const {
    const uint64_t per_epoch = layout_.spans_per_epoch();
    return span / per_epoch / epochs_per_order_ * per_epoch + span % per_epoch;
  }
  // Ascending.
  std::vector<uint64_t> SpansOf(uint64_t group) const;
  // The groups of ascending `spans`, each once, ascending.
  std::vector<uint64_t> GroupsOf(const std::vector<uint64_t>& spans) const;

 private:
  Layout layout_;
  uint32_t epochs_per_order_;
};

// Where codec tables are learnt from: positions of epoch 0, evenly spread, as many as the schema says.
std::vector<uint64_t> CalibrationPositions(const Schema& schema);

}  // namespace decant
