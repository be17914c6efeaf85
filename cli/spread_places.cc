#include "spread_places.h"

#include <algorithm>

#include "decant/base/error.h"

namespace decant {

Places SpreadPlaces(const StoreReader& store, uint64_t num_labels) {
  const Layout& layout = store.schema().layout;
  std::vector<Span> spans;
  std::vector<uint64_t> ends;  // of the spans' samples, counted through
  uint64_t labels_there = 0;
  for (uint64_t index = 0; index < layout.num_spans(); ++index) {
    const Span span = layout.SpanAt(index);
    if (!store.ledger()[index] || store.expired(span.epoch)) continue;
    const uint64_t last = std::min(span.chunk_end * layout.chunk_size, layout.num_samples);
    spans.push_back(span);
    labels_there += store.ledger()[index]->num_labels;
    ends.push_back((ends.empty() ? 0 : ends.back()) + last - span.chunk_begin * layout.chunk_size);
  }
  if (spans.empty()) Fail(ErrorCode::kNotFound, "{}: no labels yet", store.path());
  const uint64_t total = ends.back();
  Places places;
  const uint64_t labels_of_place = std::max<uint64_t>(1, labels_there / total);  // of a window, many
  const uint64_t num_places = std::min(std::max<uint64_t>(1, num_labels / labels_of_place), total);
  for (uint64_t i = 0; i < num_places; ++i) {
    const uint64_t place = i * (total / num_places) + i * (total % num_places) / num_places;
    const auto index = static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), place) - ends.begin());
    const uint64_t begin = index == 0 ? 0 : ends[index - 1];
    places[spans[index].epoch].push_back(spans[index].chunk_begin * layout.chunk_size + place - begin);
  }
  return places;
}

}  // namespace decant
