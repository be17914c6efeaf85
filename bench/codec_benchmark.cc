#include "decant/bench/codec_benchmark.h"

#include <algorithm>
#include <thread>

#include "decant/base/error.h"
#include "decant/bench/synthetic_teacher.h"
#include "decant/store/store_reader.h"

#include "codec_measurement.h"
#include "label_codec.h"
#include "sampler.h"
#include "settings.h"

namespace decant {
namespace {

using ProgressFunction = std::function<void(const std::string&)>;

constexpr size_t kChunkLabels = 1024;  // as a store has by default
// The entropy of the ids is taken over at most this many labels.
constexpr size_t kEntropyLabels = 4096;

struct LabelSet {
  std::string setting;
  LabelShape shape;
  LabelBatch calibration;
  LabelBatch measured;
};

bool HaveFixedCounts(const LabelBatch& labels, uint32_t k) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels.LabelIds(i).size() != k) return false;
  }
  return true;
}

LabelSet GenerateLabels(const BenchmarkSetting& setting, const CodecBenchmarkOptions& options) {
  const SyntheticTeacher& teacher = *setting.teacher;
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  const size_t measured = options.num_labels > 0 ? options.num_labels : setting.num_labels;
  return {.setting = setting.name,
          .shape = {.num_classes = teacher.num_classes(),
                    .k = teacher.k(),
                    .delta = options.delta > 0 ? options.delta : setting.delta,
                    .graded_delta = setting.graded_delta},
          .calibration = MakeLabels(teacher, measured, setting.num_calibration_labels, threads),
          .measured = MakeLabels(teacher, 0, measured, threads)};
}

// The first quarter of a store's labels calibrates, the rest is measured.
LabelSet ReadStore(const StoreReader& reader, const CodecBenchmarkOptions& options) {
  const Schema& schema = reader.schema();
  LabelBatch labels;
  for (uint64_t span_index = 0; span_index < schema.layout.num_spans(); ++span_index) {
    if (!reader.ledger()[span_index]) continue;
    const Span span = schema.layout.SpanAt(span_index);
    for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
      if (options.num_labels == 0 || labels.size() < options.num_labels) reader.ReadChunk(span.epoch, chunk, &labels);
    }
  }
  if (labels.size() < 4) Fail(ErrorCode::kNotFound, "{} has no labels to measure yet", options.store);
  labels.SortEntries(EntryOrder::kById);  // as the synthetic teachers have them
  LabelSet set;
  set.setting = fmt::format("c{}_demo", schema.codec.num_classes);
  set.shape = {.num_classes = schema.codec.num_classes,
               .k = schema.codec.k,
               .fixed_counts = HaveFixedCounts(labels, schema.codec.k),
               .delta = options.delta > 0 ? options.delta : schema.codec.delta};
  set.calibration.AppendRange(labels, 0, labels.size() / 4);
  set.measured.AppendRange(labels, labels.size() / 4, labels.size());
  return set;
}

// The store as it is: what its writer measured against the teacher. Its labels were quantised once; encoding them again
// with the same step loses nothing more.
CodecRow StoredRow(const StoreReader& reader) {
  CodecRow row = {.codec = "decant_store", .kl_max = 0, .kl_bound = reader.codec().KlBound()};
  double labels = 0, entries = 0, bytes = 0, kl = 0;
  for (const auto& trailer : reader.ledger()) {
    if (!trailer) continue;
    labels += static_cast<double>(trailer->num_labels);
    entries += static_cast<double>(trailer->num_entries);
    bytes += static_cast<double>(trailer->chunk_bytes);
    kl += trailer->kl_sum;
    row.kl_max = std::max(*row.kl_max, trailer->kl_max);
  }
  row.bytes_per_label = bytes / labels;
  row.kl_mean = kl / labels;
  row.entries_per_label = entries / labels;
  row.note = "as its writer measured against the teacher";
  return row;
}

std::vector<std::unique_ptr<LabelCodec>> MakeCodecs(const LabelShape& shape) {
  std::vector<std::unique_ptr<LabelCodec>> codecs;
  codecs.push_back(MakeTinyVitCodec(shape));
  codecs.push_back(MakeTinyVitZstdCodec(shape));
  const DistillKitConfig config = PublishedDistillKitConfig(shape.k);
  if (shape.fixed_counts && shape.k > config.exact + config.num_terms()) {
    codecs.push_back(MakeDistillKitCodec(shape, config));
  }
  codecs.push_back(MakePlaneCodec(shape, 3));
  codecs.push_back(MakePlaneCodec(shape, 19));
  for (auto& codec : MakeDecantCodecs(shape)) codecs.push_back(std::move(codec));
  return codecs;
}

CodecRow FloorRow(const LabelSet& set) {
  double bits = 0;
  for (size_t i = 0; i < set.measured.size(); ++i) {
    bits += IdSetBits(set.shape.num_classes, static_cast<uint32_t>(set.measured.LabelIds(i).size()));
  }
  return {.codec = "floor_ids",
          .bytes_per_label = bits / 8 / static_cast<double>(set.measured.size()),
          .note = "ids alone, when all sets are equally likely"};
}

CodecRow GeneratorRow(const SyntheticTeacher& teacher, const LabelBatch& labels) {
  LabelBatch sample;
  sample.AppendRange(labels, 0, std::min(labels.size(), kEntropyLabels));
  return {.codec = "generator_ids",
          .bytes_per_label = teacher.IdEntropyBits(0, sample) / 8,
          .note = "ids alone, for who knows the generator's classes"};
}

void MeasureAll(const LabelSet& set, const ProgressFunction& progress, std::vector<CodecRow>* rows) {
  const auto add = [&](CodecRow row) {
    row.setting = set.setting;
    rows->push_back(std::move(row));
  };
  add(FloorRow(set));
  const ChunkedLabels chunked(set.measured, kChunkLabels);
  for (const auto& codec : MakeCodecs(set.shape)) {
    progress(fmt::format("{}: {}", set.setting, codec->name()));
    codec->Calibrate(set.calibration);
    add(MeasureCodec(chunked, set.shape.num_classes, codec.get()));
  }
}

}  // namespace

std::vector<std::string> CodecSettings() {
  return kSettingNames;
}

std::vector<std::string> CodecVariants() {
  return kVariantNames;
}

std::vector<CodecRow> RunCodecBenchmark(const CodecBenchmarkOptions& options, const ProgressFunction& progress) {
  std::vector<CodecRow> rows;
  if (!options.store.empty()) {
    progress("reading " + options.store);
    const StoreReader reader(options.store);
    const LabelSet set = ReadStore(reader, options);
    rows.push_back(StoredRow(reader));
    rows.back().setting = set.setting;
    MeasureAll(set, progress, &rows);
    return rows;
  }
  for (const std::string& name : options.setting == "all" ? kSettingNames : std::vector{options.setting}) {
    const BenchmarkSetting setting = MakeSetting(name, options.variant, options.seed);
    progress(name + ": making labels");
    const LabelSet set = GenerateLabels(setting, options);
    CodecRow generator = GeneratorRow(*setting.teacher, set.measured);
    generator.setting = name;
    rows.push_back(std::move(generator));
    MeasureAll(set, progress, &rows);
    if (name != "v151936_k128") continue;
    progress(name + ": samplers");
    std::vector<SampledProfile> profiles = MakeReplacementProfiles(options.seed);
    for (auto& profile : MakeThresholdProfiles(setting.teacher->num_classes(), options.seed)) {
      profiles.push_back(std::move(profile));
    }
    for (SampledProfile& profile : profiles) {
      rows.push_back(MeasureProfile(*setting.teacher, 0, &profile));
      rows.back().setting = name;
    }
  }
  return rows;
}

nlohmann::ordered_json ToJson(const CodecRow& row) {
  const auto figure = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  };
  return {{"setting", row.setting},
          {"codec", row.codec},
          {"bytes_per_label", figure(row.bytes_per_label)},
          {"table_bytes", figure(row.table_bytes)},
          {"kl_mean", figure(row.kl_mean)},
          {"kl_max", figure(row.kl_max)},
          {"kl_bound", figure(row.kl_bound)},
          {"gradient_error", figure(row.gradient_error)},
          {"encode_entries_per_second", figure(row.encode_entries_per_second)},
          {"decode_entries_per_second", figure(row.decode_entries_per_second)},
          {"variance", figure(row.variance)},
          {"entries_per_label", figure(row.entries_per_label)},
          {"note", row.note}};
}

}  // namespace decant
