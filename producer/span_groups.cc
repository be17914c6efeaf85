#include "decant/producer/span_groups.h"

#include <set>

namespace decant {

std::vector<uint64_t> SpanGroups::SpansOf(uint64_t group) const {
  const uint64_t per_epoch = layout_.spans_per_epoch();
  const uint64_t first = group / per_epoch * epochs_per_order_ * per_epoch + group % per_epoch;
  std::vector<uint64_t> spans;
  for (uint64_t span = first; spans.size() < epochs_per_order_ && span < layout_.num_spans(); span += per_epoch) {
    spans.push_back(span);
  }
  return spans;
}

std::vector<uint64_t> SpanGroups::GroupsOf(const std::vector<uint64_t>& spans) const {
  std::set<uint64_t> groups;
  for (const uint64_t span : spans) groups.insert(GroupOf(span));
  return {groups.begin(), groups.end()};
}

std::vector<uint64_t> CalibrationPositions(const Schema& schema) {
  const uint64_t num_samples = schema.layout.num_samples;
  const uint64_t count = std::min<uint64_t>(schema.calibration.num_labels, num_samples);
  std::vector<uint64_t> positions;
  for (uint64_t i = 0; i < count; ++i) positions.push_back(i * (num_samples / count));
  return positions;
}

}  // namespace decant
