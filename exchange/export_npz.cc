#include <filesystem>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/data/npz_writer.h"
#include "decant/exchange/exchange.h"

#include "npz_arrays.h"
#include "sample_reader.h"

namespace decant {
namespace {

// Calls `take` with the labels of each block of an epoch, decoded.
template <typename Take>
void ForEachBlock(const StoreReader& store, const SampleReader& reader, const Take& take) {
  LabelBatch labels;
  for (uint64_t block = 0; block < reader.num_blocks(); ++block) {
    const LabelCodes codes = reader.ReadBlock(block);
    labels.Clear();
    store.codec().Dequantise(codes, 0, codes.size(), &labels);
    take(codes, labels);
  }
}

template <typename T>
void AppendTo(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

// What an epoch has once for each label: it fits memory where the entries may not.
struct LabelColumns {
  std::vector<uint64_t> offsets = {0}, window_offsets = {0}, window_hashes;
  std::vector<uint16_t> view_fingerprints;
  std::vector<float> tail_mass, other_tails, true_log_probs, log_sum_exp;

  void Append(const StoreReader& store, const LabelCodes& codes, const LabelBatch& labels) {
    const uint64_t first_window_label = offsets.size() - 1;
    const uint64_t first_entry = offsets.back();
    for (size_t i = 0; i < labels.size(); ++i) offsets.push_back(first_entry + labels.offsets[i + 1]);
    AppendTo(labels.tail_mass, &tail_mass);
    AppendTo(labels.true_log_probs, &true_log_probs);
    AppendTo(labels.log_sum_exp, &log_sum_exp);
    const size_t num_others = store.schema().codec.temperatures.size() - 1;
    std::vector<float> tails(labels.size() * num_others);
    LabelBatch other;
    for (size_t t = 0; t < num_others; ++t) {
      other.Clear();
      store.codec().Dequantise(codes, 0, codes.size(), &other, t + 1);
      for (size_t i = 0; i < labels.size(); ++i) tails[i * num_others + t] = other.tail_mass[i];
    }
    AppendTo(tails, &other_tails);
    AppendTo(codes.window_hashes, &window_hashes);
    AppendTo(codes.view_fingerprints, &view_fingerprints);
    for (size_t i = 1; i < codes.windows.size(); ++i) window_offsets.push_back(first_window_label + codes.windows[i]);
  }
};

uint64_t ExportEpoch(const StoreReader& store, uint32_t epoch, const std::string& path) {
  const CodecParams& params = store.schema().codec;
  const SampleReader reader(store, epoch);
  LabelColumns columns;
  ForEachBlock(store, reader,
               [&](const LabelCodes& codes, const LabelBatch& labels) { columns.Append(store, codes, labels); });
  const uint64_t num_labels = columns.tail_mass.size();
  const uint64_t num_entries = columns.offsets.back();

  NpzWriter writer(path);
  const auto put = [&](const char* name, const char* descr, const auto& values, std::vector<uint64_t> shape) {
    writer.Begin(name, descr, shape);
    writer.WriteAll(values);
  };
  put(kNumClassesArray, "<u4", std::vector<uint32_t>{params.num_classes}, {});
  put(kTemperaturesArray, "<f8", params.temperatures, {params.temperatures.size()});
  put(kOffsetsArray, "<u8", columns.offsets, {num_labels + 1});
  writer.Begin(kIdsArray, "<u4", {num_entries});
  ForEachBlock(store, reader, [&](const LabelCodes&, const LabelBatch& labels) { writer.WriteAll(labels.ids); });
  writer.Begin(kLogProbsArray, "<f4", {num_entries});
  ForEachBlock(store, reader, [&](const LabelCodes&, const LabelBatch& labels) { writer.WriteAll(labels.log_probs); });
  put(kTailMassArray, "<f4", columns.tail_mass, {num_labels});
  if (params.temperatures.size() > 1) {
    put(kOtherTailsArray, "<f4", columns.other_tails, {num_labels, params.temperatures.size() - 1});
  }
  if (params.true_label) put(kTrueLogProbsArray, "<f4", columns.true_log_probs, {num_labels});
  if (params.logits()) {
    put(kLogSumExpArray, "<f4", columns.log_sum_exp, {num_labels});
    writer.Begin(kLogitsArray, "<f4", {num_entries});
    ForEachBlock(store, reader, [&](const LabelCodes&, const LabelBatch& labels) { writer.WriteAll(labels.logits); });
  }
  if (params.windows) {
    put(kWindowOffsetsArray, "<u8", columns.window_offsets, {columns.window_offsets.size()});
    put(kWindowHashesArray, "<u8", columns.window_hashes, {columns.window_hashes.size()});
  }
  if (params.view_fingerprints) {
    put(kViewFingerprintsArray, "<u2", columns.view_fingerprints, {columns.view_fingerprints.size()});
  }
  writer.Finish();
  return num_labels;
}

}  // namespace

uint64_t ExportNpz(const StoreReader& store, const std::string& out, uint32_t epoch_begin, uint32_t epoch_end) {
  RequireEpochs(store, epoch_begin, epoch_end);
  CreateDirectories(out);
  const auto path_of = [&](uint32_t epoch) { return fmt::format("{}/epoch-{:06}.npz", out, epoch); };
  for (uint32_t epoch = epoch_begin; epoch < epoch_end; ++epoch) {
    if (!std::filesystem::exists(path_of(epoch))) continue;
    Fail(ErrorCode::kInvalidArgument, "{} is there already; remove it, or name another folder", path_of(epoch));
  }
  uint64_t num_labels = 0;
  for (uint32_t epoch = epoch_begin; epoch < epoch_end; ++epoch)
    num_labels += ExportEpoch(store, epoch, path_of(epoch));
  return num_labels;
}

}  // namespace decant
