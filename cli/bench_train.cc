#include "bench_train.h"

#include <algorithm>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "bench/process_figures.h"
#include "subprocess.h"

namespace decant {
namespace {

using Json = nlohmann::json;

constexpr char kData[] = R"([data]
path = "digits.npz"
split = "train"
test_split = "test"

[views]
seed = {}
shift = 0.15
rotate = 15
shear = 0.2
zoom = 0.15
brightness = 0.2
mixup = {}
)";

// Some twelve times the student's multiplications: they grow with depth and with the square of the features.
constexpr char kTeacherJob[] = R"(
[student]
architecture = "convnet"
features = 32
depth = 3

[train]
labels = "hard"
epochs = 30
batch_size = 64
learning_rate = 0.003
checkpoint = "teacher.safetensors"
)";

constexpr char kStudentJob[] = R"(
[teacher]
path = "teacher.safetensors"
batch_size = 64

[labels]
store = "labels.decant"
epochs = {0}
k = 5
chunk_size = 256
span_chunks = 5

[student]
architecture = "convnet"
features = 16
depth = 1

[train]
epochs = {0}
batch_size = 64
learning_rate = 0.01
checkpoint = "student.safetensors"
)";

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

TrainBenchmarkReport RunTrainBenchmark(const std::string& program, const TrainBenchmarkOptions& options,
                                       const std::function<void(const std::string&)>& progress) {
  const ScratchFolder workspace("");
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program);
    arguments.push_back("--json");
    return Json::parse(Subprocess(arguments).Finish());
  };
  WriteFileAtomically(workspace.File("digits.npz"), ReadFile(DECANT_EXAMPLES_DIR "/digits/digits.npz"));
  WriteFileAtomically(workspace.File("teacher.toml"), fmt::format(kData, 1, 0.5) + kTeacherJob);
  const std::string job = workspace.File("student.toml");
  WriteFileAtomically(job, fmt::format(kData, 2, 1.0) + fmt::format(kStudentJob, options.epochs));

  TrainBenchmarkReport report;
  progress("training the teacher");
  run({"train", workspace.File("teacher.toml")});
  progress("labelling");
  report.label_seconds = run({"produce", job})["seconds"];
  std::vector<double> store_peaks, teacher_peaks;
  for (uint32_t seed = 0; seed < options.seeds; ++seed) {
    const std::string of_seed = fmt::format("--train.seed={}", seed);
    progress(fmt::format("student {} of {}, from the store", seed + 1, options.seeds));
    const Json stored = run({"train", job, of_seed});
    progress(fmt::format("student {} of {}, with the teacher beside it", seed + 1, options.seeds));
    const Json beside = run({"train", job, of_seed, "--train.labels=teacher"});
    report.store_seconds.push_back(stored["train_seconds"]);
    report.teacher_seconds.push_back(beside["train_seconds"]);
    report.store_accuracy.push_back(stored["test_accuracy"]);
    report.teacher_accuracy.push_back(beside["test_accuracy"]);
    store_peaks.push_back(stored["peak_rss_bytes"]);
    teacher_peaks.push_back(beside["peak_rss_bytes"]);
  }
  report.store_peak_bytes = Median(store_peaks);
  report.teacher_peak_bytes = Median(teacher_peaks);
  return report;
}

nlohmann::ordered_json ToJson(const TrainBenchmarkReport& report) {
  const double stored = Median(report.store_seconds);
  const double beside = Median(report.teacher_seconds);
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  rows.push_back({{"setting", "training"},
                  {"store_seconds", stored},
                  {"teacher_seconds", beside},
                  {"seconds_ratio", beside / stored},
                  {"store_peak_bytes", report.store_peak_bytes},
                  {"teacher_peak_bytes", report.teacher_peak_bytes},
                  {"peak_ratio", report.teacher_peak_bytes / report.store_peak_bytes},
                  {"store_accuracy", report.store_accuracy},
                  {"teacher_accuracy", report.teacher_accuracy},
                  {"accuracy_difference", Mean(report.store_accuracy) - Mean(report.teacher_accuracy)}});
  for (const int students : {1, 3, 10}) {
    const double from_store = report.label_seconds + students * stored;
    rows.push_back({{"setting", fmt::format("cost_of_{}_students", students)},
                    {"store_seconds", from_store},
                    {"teacher_seconds", students * beside},
                    {"seconds_ratio", students * beside / from_store}});
  }
  return rows;
}

}  // namespace decant
