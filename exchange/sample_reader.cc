#include "sample_reader.h"

#include "decant/base/error.h"

namespace decant {
namespace {

template <typename T>
void AppendTo(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

void Append(const LabelCodes& from, LabelCodes* to) {
  const uint32_t first_entry = to->offsets.back();
  const auto first_label = static_cast<uint32_t>(to->size());
  for (size_t i = 0; i < from.size(); ++i) to->offsets.push_back(first_entry + from.offsets[i + 1]);
  AppendTo(from.ids, &to->ids);
  AppendTo(from.values, &to->values);
  AppendTo(from.tails, &to->tails);
  AppendTo(from.other_tails, &to->other_tails);
  AppendTo(from.true_values, &to->true_values);
  AppendTo(from.extras, &to->extras);
  AppendTo(from.tie_ranks, &to->tie_ranks);
  AppendTo(from.window_hashes, &to->window_hashes);
  AppendTo(from.view_fingerprints, &to->view_fingerprints);
  if (from.windows.empty()) return;
  if (to->windows.empty()) to->windows.push_back(0);
  for (size_t i = 1; i < from.windows.size(); ++i) to->windows.push_back(first_label + from.windows[i]);
}

}  // namespace

SampleReader::SampleReader(const StoreReader& store, uint32_t epoch)
    : store_(store),
      epoch_(epoch),
      spec_(OrderFromIdentity(store.schema().order)),
      order_(spec_, store.schema().seed, epoch, store.schema().layout.num_samples) {}

uint64_t SampleReader::num_blocks() const {
  return store_.schema().layout.chunks_per_epoch();
}

LabelCodes SampleReader::ReadBlock(uint64_t block) const {
  if (spec_.kind == OrderKind::kDataset) return store_.ReadChunkCodes(epoch_, block);
  const Layout& layout = store_.schema().layout;
  const uint64_t begin = block * layout.chunk_size;
  LabelCodes codes;
  for (uint64_t id = begin; id < begin + layout.ChunkSamples(block); ++id) {
    Append(store_.ReadSampleCodes(epoch_, order_.PositionOf(id)), &codes);
  }
  return codes;
}

void RequireEpochs(const StoreReader& store, uint32_t epoch_begin, uint32_t epoch_end) {
  const Layout& layout = store.schema().layout;
  if (epoch_begin >= epoch_end || epoch_end > layout.num_epochs) {
    Fail(ErrorCode::kInvalidArgument, "{}: epochs {}:{}: the store has the epochs 0:{}", store.path(), epoch_begin,
         epoch_end, layout.num_epochs);
  }
  for (uint32_t epoch = epoch_begin; epoch < epoch_end; ++epoch) {
    if (store.expired(epoch)) {
      Fail(ErrorCode::kNotFound, "{}: epoch {} has expired: its labels were deleted", store.path(), epoch);
    }
    for (uint64_t i = 0; i < layout.spans_per_epoch(); ++i) {
      const uint64_t span = epoch * layout.spans_per_epoch() + i;
      if (store.ledger()[span]) continue;
      Fail(ErrorCode::kNotFound, "{}: epoch {} is not labelled yet: span {} is missing", store.path(), epoch, span);
    }
  }
}

}  // namespace decant
