#include "bench_produce.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "decant/base/bounded_queue.h"
#include "decant/base/file.h"
#include "decant/data/npz_writer.h"
#include "decant/store/store_writer.h"

#include "bench/process_figures.h"
#include "console.h"
#include "labelling.h"
#include "subprocess.h"

namespace decant {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kPython[] = "/usr/bin/python3";
constexpr uint32_t kReplicas = 2;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string RunPython(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {kPython};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return Subprocess(argv).Finish();
}

// What a setting labels.
struct Setting {
  std::string name;
  uint32_t num_classes = 0;
  uint32_t k = 0;
};
const std::vector<Setting> kSettings = {{"c1000_k10", 1000, 10}, {"c21841_k100", 21841, 100}};

class ProduceBenchmark {
 public:
  ProduceBenchmark(const std::string& program, const ProduceBenchmarkOptions& options,
                   const std::function<void(const std::string&)>& progress)
      : program_(program), options_(options), progress_(progress) {}

  std::vector<ProduceRow> Run() {
    bool has_images = false;
    for (const Setting& setting : kSettings) {
      if (!Wanted(setting.name) && !Wanted(setting.name + "_views")) continue;
      if (!has_images) MakeImages();
      has_images = true;
      MakeTeacher(setting);
      if (Wanted(setting.name)) rows_.push_back(AgainstBareLoop(setting));
      if (Wanted(setting.name + "_views")) rows_.push_back(AgainstTinyVit(setting));
    }
    for (const uint64_t samples : options_.memory_samples) {
      const std::string name = fmt::format("memory_{}", samples);
      if (Wanted(name)) rows_.push_back(MeasureMemory(name, samples));
    }
    if (rows_.empty()) Fail(ErrorCode::kInvalidArgument, "there is no setting '{}'", options_.setting);
    return rows_;
  }

 private:
  bool Wanted(const std::string& setting) const { return options_.setting == "all" || options_.setting == setting; }
  std::string Script() const { return DECANT_BENCH_DIR "/tinyvit_produce.py"; }
  std::string TeacherPath(const Setting& setting) const { return workspace_.File(setting.name + ".pt"); }

  void MakeImages() {
    progress_(fmt::format("writing {} JPEG images", options_.images));
    RunPython({DECANT_EXAMPLES_DIR "/jpeg_digits/make_shards.py", workspace_.File("images"), "--train",
               std::to_string(options_.images), "--test", "1"});
  }
  void MakeTeacher(const Setting& setting) {
    progress_(fmt::format("{}: exporting a ViT-Tiny", setting.name));
    RunPython({Script(), "export", TeacherPath(setting), "--classes", std::to_string(setting.num_classes)});
  }

  Job MakeJob(const Setting& setting, const std::string& data, const std::string& views) const {
    const std::string path = workspace_.File("job.toml");
    WriteFileAtomically(
        path, fmt::format(R"([data]
{}
[views]
{}
[teacher]
path = "{}"
batch_size = {}
image_size = [224]
[labels]
store = "{}"
k = {}
chunk_size = {}
calibration_labels = 256
[produce]
decode_threads = 1
replicas = {}
)",
                          data, views, TeacherPath(setting), options_.batch_size, workspace_.File("labels.decant"),
                          setting.k, std::min<uint64_t>(1024, options_.images), kReplicas));
    return ReadJob(path, {});
  }

  // The same views in the same batches through the same threads; the logits are thrown away.
  double BareSeconds(const LabellingSetup& setup, const PipelineOptions& pipeline) const {
    const uint64_t num_samples = setup.source->num_samples();
    const auto start = Clock::now();
    BoundedQueue<TeacherBatch> rendered(pipeline.queue_depth * (pipeline.decode_threads + pipeline.replicas));
    std::vector<std::jthread> replicas;
    for (uint32_t i = 0; i < pipeline.replicas; ++i) {
      replicas.emplace_back([&] {
        std::vector<float> logits;
        while (const auto batch = rendered.Pop()) TeacherBatchLogits(*setup.teacher, *batch, &logits);
      });
    }
    const struct Closer {
      BoundedQueue<TeacherBatch>& queue;
      ~Closer() { queue.Close(); }
    } closer{rendered};  // also when rendering throws
    for (uint64_t begin = 0; begin < num_samples; begin += options_.batch_size) {
      std::vector<uint64_t> positions;
      for (uint64_t i = begin; i < std::min<uint64_t>(begin + options_.batch_size, num_samples); ++i) {
        positions.push_back(i);
      }
      TeacherBatch batch;
      setup.renderer->Render(0, positions, {&batch, 1});
      rendered.Push(std::move(batch));
    }
    rendered.Close();
    replicas.clear();
    return SecondsSince(start);
  }

  // Seconds of labelling a whole store, from the first batch to the last commit. Leaves the labels' bytes in
  // `chunk_bytes_`.
  double LabelSeconds(const Job& job, const LabellingSetup& setup) {
    std::filesystem::remove_all(job.labels.store);
    Schema schema = setup.schema;
    SpanLabeller labeller(schema, *setup.renderer, *setup.teacher, job.produce, "bench");
    StoreWriter writer(job.labels.store, schema, [&] { return labeller.LearnCodecTables(); });
    labeller.Begin({.staging = writer.staging_path(), .scratch = ""});
    const std::vector<uint64_t> groups = labeller.groups().GroupsOf(writer.MissingSpans());
    const auto start = Clock::now();
    for (const uint64_t group : groups) labeller.Prepare(group);
    chunk_bytes_ = 0;
    for (const uint64_t group : groups) {
      const std::vector<SpanFile> files = labeller.Label(group);
      for (const SpanFile& file : files) chunk_bytes_ += static_cast<double>(file.trailer.chunk_bytes);
      writer.Commit(files);
    }
    writer.Seal();
    return SecondsSince(start);
  }

  ProduceRow AgainstBareLoop(const Setting& setting) {
    const Job job =
        MakeJob(setting, fmt::format("path = \"{}\"", workspace_.File("images")), "crop = \"random\"\nflip = 0.5");
    const LabellingSetup setup = SetUpLabelling(job, OpenJobSource(job));
    const auto count = static_cast<double>(setup.source->num_samples());
    BareSeconds(setup, job.produce);  // warms up
    std::vector<double> bare, ours, ratios;
    for (uint32_t round = 0; round < options_.rounds; ++round) {
      progress_(fmt::format("{}: round {} of {}", setting.name, round + 1, options_.rounds));
      bare.push_back(BareSeconds(setup, job.produce));
      ours.push_back(LabelSeconds(job, setup));
      ratios.push_back(bare.back() / ours.back());
    }
    return {.setting = setting.name,
            .labels_per_second = count / Median(ours),
            .forward_labels_per_second = count / Median(bare),
            .ratio_to_forward = Median(ratios),
            .bytes_per_label = chunk_bytes_ / count,
            .peak_rss_bytes = PeakResidentBytes()};
  }

  // Renders the dataset's views once, into a file that both ways read.
  void WriteViews(const Setting& setting, const std::string& path) const {
    const Job job =
        MakeJob(setting, fmt::format("path = \"{}\"", workspace_.File("images")), "crop = \"random\"\nflip = 0.5");
    const LabellingSetup setup = SetUpLabelling(job, OpenJobSource(job));
    NpzWriter file(path);
    file.Begin("x_train", "|u1", {setup.source->num_samples(), 224, 224, 3});
    for (uint64_t position = 0; position < setup.source->num_samples(); ++position) {
      TeacherBatch batch;
      setup.renderer->Render(0, std::span(&position, 1), {&batch, 1});
      file.WriteAll(batch.images);
    }
    file.Begin("y_train", "|u1", {setup.source->num_samples()});
    file.WriteAll(std::vector<uint8_t>(setup.source->num_samples()));
    file.Finish();
  }

  ProduceRow AgainstTinyVit(const Setting& setting) {
    const std::string views = workspace_.File("views.npz");
    WriteViews(setting, views);
    const Job job = MakeJob(setting, fmt::format("path = \"{}\"", views), "order = \"dataset\"");
    const LabellingSetup setup = SetUpLabelling(job, OpenJobSource(job));
    const auto count = static_cast<double>(setup.source->num_samples());
    std::vector<double> theirs, ours, ratios;
    double their_bytes = 0;
    for (uint32_t round = 0; round < options_.rounds; ++round) {
      progress_(fmt::format("{}_views: round {} of {}", setting.name, round + 1, options_.rounds));
      const auto report = nlohmann::json::parse(RunPython(
          {Script(), "label", TeacherPath(setting), views, workspace_.File("tinyvit"), "--k", std::to_string(setting.k),
           "--batch", std::to_string(options_.batch_size), "--threads", std::to_string(kReplicas)}));
      theirs.push_back(report.at("seconds"));
      their_bytes = report.at("bytes");
      ours.push_back(LabelSeconds(job, setup));
      ratios.push_back(theirs.back() / ours.back());
    }
    return {.setting = setting.name + "_views",
            .labels_per_second = count / Median(ours),
            .tinyvit_labels_per_second = count / Median(theirs),
            .ratio_to_tinyvit = Median(ratios),
            .bytes_per_label = chunk_bytes_ / count,
            .tinyvit_bytes_per_label = their_bytes / count,
            .peak_rss_bytes = PeakResidentBytes()};
  }

  ProduceRow MeasureMemory(const std::string& name, uint64_t samples) {
    progress_(fmt::format("{}: writing a shard", name));
    const std::string data = workspace_.File(name), teacher = workspace_.File("linear.pt");
    RunPython({Script(), "shards", data, "--samples", std::to_string(samples)});
    RunPython({Script(), "export", teacher, "--classes", "100", "--linear", "16"});
    const std::string job = workspace_.File("memory.toml"), store = workspace_.File(name + ".decant");
    WriteFileAtomically(job, fmt::format("[data]\npath = \"{}\"\n[views]\ncrop = \"random\"\n[teacher]\npath = \"{}\"\n"
                                         "image_size = [16]\n[labels]\nstore = \"{}\"\n",
                                         data, teacher, store));
    progress_(fmt::format("{}: labelling", name));
    const auto report = nlohmann::json::parse(Subprocess({program_, "produce", job, "--json"}).Finish());
    return {.setting = name,
            .labels_per_second = report.at("labels_per_second"),
            .bytes_per_label = static_cast<double>(FolderBytes(store)) / static_cast<double>(samples),
            .peak_rss_bytes = report.at("peak_rss_bytes")};
  }

  const std::string program_;
  const ProduceBenchmarkOptions options_;
  const std::function<void(const std::string&)>& progress_;
  const ScratchFolder workspace_{""};
  double chunk_bytes_ = 0;
  std::vector<ProduceRow> rows_;
};

}  // namespace

nlohmann::ordered_json ToJson(const ProduceRow& row) {
  nlohmann::ordered_json object = {{"setting", row.setting}, {"labels_per_second", row.labels_per_second}};
  const auto put = [&](const char* name, const std::optional<double>& value) {
    object[name] = value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  put("ratio_to_forward", row.ratio_to_forward);
  put("ratio_to_tinyvit", row.ratio_to_tinyvit);
  object["peak_rss_bytes"] = row.peak_rss_bytes;
  put("forward_labels_per_second", row.forward_labels_per_second);
  put("tinyvit_labels_per_second", row.tinyvit_labels_per_second);
  put("bytes_per_label", row.bytes_per_label);
  put("tinyvit_bytes_per_label", row.tinyvit_bytes_per_label);
  return object;
}

std::vector<ProduceRow> RunProduceBenchmark(const std::string& program, const ProduceBenchmarkOptions& options,
                                            const std::function<void(const std::string&)>& progress) {
  return ProduceBenchmark(program, options, progress).Run();
}

}  // namespace decant
