#include "decant/store/label_codes.h"

#include <bit>

#include "decant/base/bytes.h"

namespace decant {

void LabelCodes::Clear() {
  offsets.assign(1, 0);
  windows.clear();
  window_hashes.clear();
  view_fingerprints.clear();
  for (auto* column : {&ids, &extras, &tie_ranks}) column->clear();
  for (auto* column : {&values, &tails, &other_tails, &true_values}) column->clear();
}

void LabelCodes::Reserve(size_t num_labels, size_t num_entries) {
  offsets.reserve(offsets.size() + num_labels);
  tails.reserve(tails.size() + num_labels);
  ids.reserve(ids.size() + num_entries);
  values.reserve(values.size() + num_entries);
}

void UpdateContentDigest(const ChunkPlace& place, const LabelCodes& codes, Xxh3Stream* digest) {
  static_assert(std::endian::native == std::endian::little, "columns are hashed as they lie in memory");
  const auto update = [&](const auto& column) { digest->Update(column.data(), column.size() * sizeof(column[0])); };
  ByteWriter header;
  header.Put(place.epoch);
  header.Put(place.chunk);
  header.Put(place.num_samples);
  update(header.bytes());
  update(codes.windows);
  update(codes.window_hashes);
  update(codes.view_fingerprints);
  update(codes.offsets);
  update(codes.ids);
  update(codes.values);
  update(codes.tails);
  update(codes.other_tails);
  update(codes.true_values);
  update(codes.extras);
  update(codes.tie_ranks);
}

}  // namespace decant
