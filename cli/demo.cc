#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <unistd.h>

#include "decant/base/file.h"
#include "decant/consumer/stream.h"

#include "command.h"
#include "console.h"
#include "demo_report.h"
#include "signals.h"
#include "subprocess.h"

namespace decant {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string out = "build/demo";
  std::string data = DECANT_EXAMPLES_DIR "/digits/digits.npz";
  int ranks = 2;
  uint32_t seeds = 5;
};

constexpr char kData[] = R"([data]
path = "digits.npz"
split = "train"
test_split = "test"
)";

// Views of the training digits. The students of both kinds see the views that are labelled, all of them mixed, as
// TinyViT and its kin are trained; the teacher was trained on other draws.
constexpr char kViews[] = R"(
[views]
seed = {}
shift = 0.15       # of the width and height
rotate = 15        # degrees
shear = 0.2
zoom = 0.15
brightness = 0.2
mixup = {}         # share of the views that are mixed with their neighbour
)";

constexpr char kTeacherJob[] = R"(
[student]          # the network to train, here the teacher to be
architecture = "convnet"
features = 32
depth = 2

[train]
labels = "hard"
epochs = 60
batch_size = 64
learning_rate = 0.003
checkpoint = "teacher.safetensors"
metrics = "teacher.jsonl"
)";

constexpr char kLabelsJob[] = R"(
[teacher]
path = "teacher.safetensors"
batch_size = 64

[labels]
store = "labels.decant"
epochs = 40
k = 5
temperatures = [1.0]
chunk_size = 256
span_chunks = 5
)";

constexpr char kStudentNetwork[] = R"(
[student]
architecture = "convnet"
features = 8
depth = 1
)";

constexpr char kStudentTraining[] = R"(
[train]
labels = "{0}"
epochs = 40
batch_size = 64
learning_rate = 0.01
checkpoint = "{1}.safetensors"
metrics = "{1}.jsonl"
)";

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The demo: every step is a command that a user would type, or a measurement of what such a command does.
class Demo {
 public:
  explicit Demo(const Options& options) : options_(options) {}

  int Run() {
    const auto start = Clock::now();
    Prepare();
    TrainTeacher();
    ProduceLabels();
    VerifyLabels();
    MeasureStream();
    TrainWithTeacherBeside();
    DeleteTeacher();
    TrainStudents();
    report_.seconds_total = SecondsSince(start);
    WriteFileAtomically(Out("summary.json"), DemoJson(report_));
    fmt::print("{}\nThe store, the job files and summary.json are in {} ({:.0f} s in all).\n", DemoTable(report_),
               options_.out, report_.seconds_total);
    return 0;
  }

 private:
  std::string Out(const std::string& name) const { return options_.out + "/" + name; }

  void Prepare();
  void TrainTeacher();
  void ProduceLabels();
  void VerifyLabels();
  void MeasureStream();
  void TrainWithTeacherBeside();
  void DeleteTeacher();
  void TrainStudents();

  // Announces a command and starts it: this program with `arguments`, behind `launcher`.
  std::unique_ptr<Subprocess> Start(std::vector<std::string> arguments, const std::vector<std::string>& launcher = {});

  const Options options_;
  DemoReport report_;
};

std::unique_ptr<Subprocess> Demo::Start(std::vector<std::string> arguments, const std::vector<std::string>& launcher) {
  if (StopRequested()) Fail(ErrorCode::kCancelled, "the demo was stopped");
  std::string shown = "$";
  for (const std::string& word : launcher) shown += " " + word;
  shown += " decant";
  for (const std::string& word : arguments) shown += " " + word;
  fmt::print(stderr, "{}\n", shown);
  std::vector<std::string> argv = launcher;
  argv.push_back(std::filesystem::read_symlink("/proc/self/exe"));
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return std::make_unique<Subprocess>(argv);
}

void Demo::Prepare() {
  std::filesystem::remove_all(Out("labels.decant"));
  for (const char* name : {"teacher.safetensors", "student.safetensors", "hard.safetensors", "beside.safetensors"}) {
    std::filesystem::remove(Out(name));
    std::filesystem::remove(Out(name) + ".resume");
  }
  WriteFileAtomically(Out("digits.npz"), ReadFile(options_.data));
  const std::string label_views = fmt::format(kViews, 2, 1.0);
  const auto training = [](const char* labels, const char* name) {
    return fmt::format(kStudentTraining, labels, name);
  };
  WriteFileAtomically(Out("teacher.toml"), kData + fmt::format(kViews, 1, 0.5) + kTeacherJob);
  WriteFileAtomically(Out("labels.toml"), kData + label_views + kLabelsJob);
  WriteFileAtomically(Out("student.toml"), std::string(kData) + "\n[labels]\nstore = \"labels.decant\"\n" +
                                               kStudentNetwork + training("store", "student"));
  WriteFileAtomically(Out("beside.toml"),
                      kData + label_views + kLabelsJob + kStudentNetwork + training("teacher", "beside"));
  WriteFileAtomically(Out("hard.toml"), kData + label_views + kStudentNetwork + training("hard", "hard"));
}

void Demo::TrainTeacher() {
  const Json result = Json::parse(Start({"train", Out("teacher.toml"), "--json"})->Finish());
  report_.teacher_accuracy = result["test_accuracy"];
  report_.teacher_parameters = result["parameters"];
}

void Demo::ProduceLabels() {
  std::vector<std::string> launcher;
  if (options_.ranks > 1) {
    launcher = {"mpirun", "--bind-to", "none", "--oversubscribe", "-n", std::to_string(options_.ranks)};
  }
  const Json result = Json::parse(Start({"produce", Out("labels.toml"), "--json"}, launcher)->Finish());
  report_.ranks = result["ranks"];
  report_.labels_per_second_produced = result["labels_per_second"];
}

void Demo::VerifyLabels() {
  const Json verified = Json::parse(Start({"verify", Out("labels.decant"), "--json"})->Finish());
  report_.digest = verified["digest"];
  const Json contents = Json::parse(Start({"inspect", Out("labels.decant"), "--json"})->Finish());
  report_.labels = contents["labels"];
  report_.num_classes = contents["schema"]["labels"]["num_classes"];
  report_.k = contents["schema"]["labels"]["k"];
  report_.bytes_per_label = contents["bytes_per_label"];
  report_.kl_mean = contents["kl_mean"];
  report_.kl_max = contents["kl_max"];
  report_.kl_bound = contents["kl_bound"];
}

void Demo::MeasureStream() {
  const auto store = std::make_shared<StoreReader>(Out("labels.decant"));
  const uint32_t store_epochs = store->schema().layout.num_epochs;
  const auto start = Clock::now();
  Stream stream(std::make_shared<StoreSet>(store), {.batch_size = 1024, .num_epochs = 10 * store_epochs});
  uint64_t num_labels = 0;
  for (StreamBatch batch; stream.Next(&batch);) num_labels += batch.labels.size();
  report_.labels_per_second_streamed = static_cast<double>(num_labels) / SecondsSince(start);
}

// The same student, steps and views, with the teacher's forward pass in every step: what the store saves.
void Demo::TrainWithTeacherBeside() {
  fmt::print(stderr, "# the first student once more, with the teacher running beside it, for the clock\n");
  const Json result = Json::parse(Start({"train", Out("beside.toml"), "--json"})->Finish());
  report_.seconds_train_with_teacher = result["train_seconds"];
  std::filesystem::remove(Out("beside.safetensors"));
}

void Demo::DeleteTeacher() {
  fmt::print(stderr, "$ rm {}\n", Out("teacher.safetensors"));
  std::filesystem::remove(Out("teacher.safetensors"));
}

void Demo::TrainStudents() {
  const auto start_training = [&](const std::string& name, uint32_t seed) {
    return Start({"train", Out(name + ".toml"), "--json", fmt::format("--train.seed={}", seed)});
  };
  // Alone on the machine, as the training with the teacher beside it was.
  Json timed = Json::parse(start_training("student", 0)->Finish());
  report_.seconds_train_from_store = timed["train_seconds"];
  report_.student_parameters = timed["parameters"];
  report_.student_steps = timed["steps"];
  report_.distilled_accuracy.push_back(timed["test_accuracy"]);
  report_.hard_accuracy.push_back(Json::parse(start_training("hard", 0)->Finish())["test_accuracy"]);
  for (uint32_t seed = 1; seed < options_.seeds; ++seed) {
    const auto distilled = start_training("student", seed);
    const auto hard = start_training("hard", seed);
    report_.distilled_accuracy.push_back(Json::parse(distilled->Finish())["test_accuracy"]);
    report_.hard_accuracy.push_back(Json::parse(hard->Finish())["test_accuracy"]);
  }
}

int RunDemo(Options options) {
  InstallStopSignals();
#ifdef DECANT_MPI
  const bool has_mpi = ProgramExists("mpirun");
#else
  const bool has_mpi = false;
#endif
  if (!has_mpi && options.ranks > 1) {
    fmt::print(stderr, "# no MPI here: labelling with one process\n");
    options.ranks = 1;
  }
  // Open MPI wants to be told that root means it.
  if (::geteuid() == 0) {
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
  return Demo(options).Run();
}

}  // namespace

Command AddDemo(CLI::App& program) {
  CLI::App* app = program.add_subcommand(
      "demo", "The whole pipe on handwritten digits: train a teacher, label, verify, train students, report");
  const auto options = std::make_shared<Options>();
  app->add_option("--out", options->out, "Folder for everything that the demo makes")->capture_default_str();
  app->add_option("--data", options->data, "The digits")->check(CLI::ExistingFile);
  app->add_option("--ranks", options->ranks, "MPI ranks that label")->capture_default_str()->check(CLI::Range(1, 64));
  app->add_option("--seeds", options->seeds, "Seeds of each student")->capture_default_str()->check(CLI::Range(1, 100));
  return {app, [options] { return RunDemo(*options); }};
}

}  // namespace decant
