#include "bench_student.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <time.h>
#include <torch/torch.h>

#include "decant/bench/synthetic_teacher.h"
#include "decant/consumer/densify.h"
#include "decant/consumer/sparse_loss.h"
#include "decant/consumer/stream.h"
#include "decant/models/threads.h"
#include "decant/store/store_writer.h"

#include "bench/process_figures.h"

namespace decant {
namespace {

constexpr int64_t kRows = 1024;
constexpr size_t kDistinctLabels = 1 << 13;

struct Setting {
  std::string name;
  uint32_t num_classes;
  uint32_t k;
};
const std::vector<Setting> kSettings = {{"c1000_k10", 1000, 10}, {"c21841_k100", 21841, 100}};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
// That all threads of this process computed.
double ProcessorSeconds() {
  timespec time;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Runs both in turn; each returns its seconds for `work` units.
RateRow Compare(const std::string& setting, const std::string& unit, const std::string& reference, double work,
                uint32_t rounds, const std::function<double()>& ours, const std::function<double()>& theirs) {
  std::vector<double> rates, reference_rates, ratios;
  ours();
  theirs();
  for (uint32_t round = 0; round < rounds; ++round) {
    rates.push_back(work / ours());
    reference_rates.push_back(work / theirs());
    ratios.push_back(rates.back() / reference_rates.back());
  }
  return {setting, unit, Median(rates), reference, Median(reference_rates), Median(ratios)};
}

std::function<double()> Timed(std::function<void()> work) {
  return [work = std::move(work)] {
    const double begin = Seconds();
    work();
    return Seconds() - begin;
  };
}

LabelBatch MakeLabelsOf(const Setting& setting, size_t num_labels) {
  ImageTeacherParams params = {.num_classes = setting.num_classes, .k = setting.k};
  if (setting.num_classes > 5000) params.node_signal = 5;  // as in the settings of `bench codec`
  return MakeLabels(*MakeImageTeacher(params), 0, num_labels, std::thread::hardware_concurrency());
}

bool Wanted(const StudentBenchmarkOptions& options, const std::string& setting) {
  return options.setting == "all" || setting.starts_with(options.setting);
}

// A store of an epoch of labels, few different ones again and again, that goes away with its benchmark.
class BenchmarkStore {
 public:
  BenchmarkStore(const Setting& setting, const StudentBenchmarkOptions& options)
      : folder_(options.directory), path_(folder_.File("labels.decant")) {
    const LabelBatch distinct = MakeLabelsOf(setting, kDistinctLabels);
    Schema schema;
    schema.layout = {.num_samples = options.labels, .num_epochs = 1, .chunk_size = 1024, .span_chunks = 256};
    schema.codec = {.num_classes = setting.num_classes, .k = setting.k, .delta = 0.03125};
    schema.order = OrderIdentity(OrderKind::kGlobal);
    StoreWriter writer(path_, schema);
    for (const uint64_t index : writer.MissingSpans()) {
      const Span span = schema.layout.SpanAt(index);
      SpanWriter file(writer.schema(), path_, span, "bench");
      for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
        const size_t begin = chunk * 1024 % kDistinctLabels;
        LabelBatch labels;
        labels.AppendRange(distinct, begin, begin + schema.layout.ChunkSamples(chunk));
        file.AddChunk(labels);
      }
      writer.Commit({file.Finish()});
    }
    writer.Seal();
  }
  std::shared_ptr<StoreReader> Open() const { return std::make_shared<StoreReader>(path_); }

 private:
  ScratchFolder folder_;
  std::string path_;
};

// What streaming a whole store adds to the memory of the process, at most.
RateRow MemoryRow(const BenchmarkStore& store, const StudentBenchmarkOptions& options) {
  const double before = ResidentMebibytes();
  Stream stream(std::make_shared<StoreSet>(store.Open()), {.batch_size = 1024, .threads = 2});
  StreamBatch batch;
  double most = before;
  for (uint64_t num_batches = 0; stream.Next(&batch); ++num_batches) {
    if (num_batches % 256 == 0) most = std::max(most, ResidentMebibytes());
  }
  return {fmt::format("memory_{}", options.labels),
          "MiB more",
          most - before,
          "MiB before",
          before,
          (most - before) / before};
}

RateRow StreamRow(const Setting& setting, const BenchmarkStore& store, const StudentBenchmarkOptions& options) {
  const auto reader = store.Open();
  const auto stores = std::make_shared<StoreSet>(reader);
  const auto stream_all = [&] {
    const double begin = ProcessorSeconds();
    Stream stream(stores, {.batch_size = 1024});
    for (StreamBatch batch; stream.Next(&batch);) {
    }
    return ProcessorSeconds() - begin;
  };
  std::vector<std::pair<ChunkPlace, std::string>> records;
  LabelBatch labels;
  for (uint64_t chunk = 0; chunk < reader->schema().layout.chunks_per_epoch(); ++chunk) {
    const ChunkPlace place = {.chunk = chunk, .num_samples = reader->schema().layout.ChunkSamples(chunk)};
    records.emplace_back(place, reader->codec().Encode(place, reader->ReadChunkCodes(0, chunk)));
  }
  const auto decode_all = [&] {
    const double begin = ProcessorSeconds();
    for (const auto& [place, record] : records) {
      labels.Clear();
      reader->codec().DecodeLabels(place, record, &labels);
    }
    return ProcessorSeconds() - begin;
  };
  return Compare(setting.name, "labels/s and core", "decoding records in memory", static_cast<double>(options.labels),
                 options.rounds, stream_all, decode_all);
}

// One step of a student whose last layer is as wide as the classes are many.
class BenchmarkStudent {
 public:
  explicit BenchmarkStudent(const Setting& setting)
      : inputs_(torch::randn({kBatch, 512})),
        network_(torch::nn::Linear(512, 512), torch::nn::ReLU(), torch::nn::Linear(512, setting.num_classes)),
        optimizer_(network_->parameters(), torch::optim::SGDOptions(1e-3)) {}

  void Step(const LabelBatch& labels) {
    optimizer_.zero_grad();
    DistillationLoss(network_->forward(inputs_), ToTargets(labels, 1), {}, {}).backward();
    optimizer_.step();
  }
  static constexpr uint32_t kBatch = 256;

 private:
  torch::Tensor inputs_;
  torch::nn::Sequential network_;
  torch::optim::SGD optimizer_;
};

RateRow StepRow(const Setting& setting, const BenchmarkStore& store, const StudentBenchmarkOptions& options) {
  const uint32_t num_steps = setting.num_classes > 5000 ? 8 : 64;
  BenchmarkStudent student(setting);
  Stream stream(std::make_shared<StoreSet>(store.Open()),
                {.batch_size = BenchmarkStudent::kBatch, .num_epochs = 1 << 20});
  StreamBatch batch;
  std::vector<LabelBatch> in_memory(num_steps);
  for (LabelBatch& labels : in_memory) {
    stream.Next(&batch);
    labels = batch.labels;
  }
  return Compare("step_" + setting.name, "steps/s", "labels in memory", num_steps, options.rounds, Timed([&] {
                   for (uint32_t step = 0; step < num_steps; ++step) {
                     stream.Next(&batch);
                     student.Step(batch.labels);
                   }
                 }),
                 Timed([&] {
                   for (const LabelBatch& labels : in_memory) student.Step(labels);
                 }));
}

}  // namespace

std::vector<RateRow> RunStreamBenchmark(const StudentBenchmarkOptions& options, const ProgressFunction& progress) {
  SetIntraOpThreads(1);
  std::vector<RateRow> rows;
  if (options.setting == "memory") {
    progress(fmt::format("writing {} labels", options.labels));
    return {MemoryRow(BenchmarkStore(kSettings.front(), options), options)};
  }
  for (const Setting& setting : kSettings) {
    const bool wants_step = Wanted(options, "step_" + setting.name);
    if (!Wanted(options, setting.name) && !wants_step) continue;
    progress(setting.name);
    const BenchmarkStore store(setting, options);
    if (Wanted(options, setting.name)) rows.push_back(StreamRow(setting, store, options));
    if (wants_step) rows.push_back(StepRow(setting, store, options));
  }
  return rows;
}

std::vector<RateRow> RunDensifyBenchmark(const StudentBenchmarkOptions& options, const ProgressFunction& progress) {
  SetIntraOpThreads(1);
  std::vector<RateRow> rows;
  for (const Setting& setting : kSettings) {
    if (!Wanted(options, setting.name)) continue;
    progress(setting.name);
    const LabelBatch labels = MakeLabelsOf(setting, kRows);
    const SoftTargets targets = ToTargets(labels, 1);
    const torch::Tensor dense = torch::empty({kRows, setting.num_classes});
    const std::span<std::byte> bytes(static_cast<std::byte*>(dense.data_ptr()), dense.nbytes());
    const torch::Tensor unlisted = (targets.tail / (int64_t{setting.num_classes} - targets.sizes)).unsqueeze(1);
    const auto compare = [&](const std::string& name, const DensifyOptions& how, const std::string& reference,
                             const std::function<void(size_t)>& theirs) {
      const size_t size = bytes.size() / (how.type == DenseType::kFloat32 ? 1 : 2);
      rows.push_back(Compare(setting.name + name, "bytes/s", reference, static_cast<double>(size), options.rounds,
                             Timed([&] { Densify(labels, how, bytes.first(size)); }), Timed([&] { theirs(size); })));
    };
    const auto fill = [&](size_t size) { std::memset(bytes.data(), 1, size); };
    const DensifyOptions plain = {.num_classes = setting.num_classes};
    compare("", plain, "memset", fill);
    compare("_bf16", {.num_classes = setting.num_classes, .type = DenseType::kBfloat16}, "memset", fill);
    compare("_fp16", {.num_classes = setting.num_classes, .type = DenseType::kFloat16}, "memset", fill);
    compare("_2_threads", {.num_classes = setting.num_classes, .threads = 2}, "memset", fill);
    compare("_reused", plain, "copy_() and scatter_() of LibTorch, reused buffer", [&](size_t) {
      dense.copy_(unlisted.expand_as(dense));
      dense.scatter_(1, targets.ids, targets.probs);
    });
    compare("_fresh", plain, "repeat() and scatter_() of LibTorch, fresh buffer", [&](size_t) {
      unlisted.repeat({1, setting.num_classes}).scatter_(1, targets.ids, targets.probs);
    });
  }
  return rows;
}

std::vector<RateRow> RunLossBenchmark(const StudentBenchmarkOptions& options, const ProgressFunction& progress) {
  SetIntraOpThreads(1);
  std::vector<RateRow> rows;
  for (const Setting& setting : kSettings) {
    if (!Wanted(options, setting.name)) continue;
    progress(setting.name);
    const LabelBatch labels = MakeLabelsOf(setting, kRows);
    const SoftTargets targets = ToTargets(labels, 1);
    const torch::Tensor logits = torch::randn({kRows, setting.num_classes}).requires_grad_();
    const torch::Tensor dense = torch::empty({kRows, setting.num_classes});
    Densify(labels, {.num_classes = setting.num_classes},
            {static_cast<std::byte*>(dense.data_ptr()), static_cast<size_t>(dense.nbytes())});
    const auto backward = [&](const std::function<torch::Tensor()>& loss) {
      return Timed([&logits, loss] {
        logits.mutable_grad() = torch::Tensor();
        loss().backward();
      });
    };
    const auto dense_loss = [&] { return -(torch::log_softmax(logits, 1) * dense).sum(1).mean(); };
    for (const auto& [name, rule] :
         {std::pair{"", TailRule::kUniform}, std::pair{"_renormalise", TailRule::kRenormalise},
          std::pair{"_ghost", TailRule::kGhost}}) {
      const LossOptions how = {.tail = rule};
      rows.push_back(Compare(setting.name + name, "rows/s", "log_softmax(), dense product, autograd", kRows,
                             options.rounds, backward([&] { return DistillationLoss(logits, targets, {}, how); }),
                             backward(dense_loss)));
    }
    // The logits are read twice and the gradient, in fresh memory as any gradient, is written once.
    rows.push_back(Compare(setting.name + "_limit", "rows/s", "reading twice and writing a fresh copy", kRows,
                           options.rounds, backward([&] { return DistillationLoss(logits, targets, {}, {}); }),
                           Timed([&] {
                             const torch::NoGradGuard no_grad;
                             logits.max();
                             logits.clone();
                           })));
  }
  return rows;
}

nlohmann::ordered_json ToJson(const RateRow& row) {
  return {{"setting", row.setting},
          {"unit", row.unit},
          {"rate", row.rate},
          {"reference", row.reference},
          {"reference_rate", row.reference_rate},
          {"ratio", row.ratio}};
}

}  // namespace decant
