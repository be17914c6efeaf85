#include <cstdio>
#include <filesystem>
#include <memory>

#include "decant/bench/codec_benchmark.h"
#include "decant/bench/environment.h"
#include "decant/bench/select_benchmark.h"
#include "decant/bench/store_benchmark.h"

#include "bench_cluster.h"
#include "command.h"
#include "console.h"

#ifdef DECANT_TORCH
#include "bench_produce.h"
#include "bench_student.h"
#include "bench_train.h"
#endif

namespace decant {
namespace {

std::string Figure(const std::optional<double>& value, const char* format, double unit = 1) {
  return value ? fmt::format(fmt::runtime(format), *value / unit) : "-";
}

void PrintEnvironment(std::FILE* stream) {
  fmt::print(stream, "{}\n", EnvironmentLine());
  if (const std::string warning = BuildWarning(); !warning.empty()) fmt::print(stream, "{}\n", warning);
}

template <typename Row>
void PrintJson(const std::vector<Row>& rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Row& row : rows) list.push_back(ToJson(row));
  fmt::print("{}\n", list.dump(2));
}

void PrintTable(const std::vector<CodecRow>& rows) {
  std::string setting;
  for (const CodecRow& row : rows) {
    if (row.setting != setting) {
      setting = row.setting;
      fmt::print("\n{:<22}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}{:>10}\n", setting, "bytes", "tables", "KL mean",
                 "KL max", "KL bound", "gradient", "encode", "decode", "variance");
      fmt::print("{:<22}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}\n", "", "a label", "bytes", "nats", "nats",
                 "nats", "error", "M/s", "M/s");
    }
    fmt::print("{:<22}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}{:>10}{}\n", row.codec,
               Figure(row.bytes_per_label, "{:.2f}"), Figure(row.table_bytes, "{:.0f}"), Figure(row.kl_mean, "{:.1e}"),
               Figure(row.kl_max, "{:.1e}"), Figure(row.kl_bound, "{:.1e}"), Figure(row.gradient_error, "{:.1e}"),
               Figure(row.encode_entries_per_second, "{:.1f}", 1e6),
               Figure(row.decode_entries_per_second, "{:.1f}", 1e6), Figure(row.variance, "{:.1e}"),
               row.note.empty() ? "" : "  " + row.note);
  }
}

Command AddCodec(CLI::App& bench) {
  CLI::App* app = bench.add_subcommand("codec", "Bytes, error and speed of Decant's and other systems' labels");
  const auto options = std::make_shared<CodecBenchmarkOptions>();
  const auto json = std::make_shared<bool>(false);
  options->setting = "all";
  app->add_option("--setting", options->setting, "c1000_k10, c21841_k100, v151936_k128 or all")->capture_default_str();
  app->add_option("--labels", options->num_labels, "Labels that are measured; default: enough");
  app->add_option("--seed", options->seed, "Seed of the synthetic teachers")->capture_default_str();
  app->add_option("--variant", options->variant, "Parameters of the synthetic teachers: default or other")
      ->capture_default_str();
  app->add_option("--store", options->store, "Measure the labels of this store instead");
  app->add_option("--delta", options->delta, "Step of the codecs that have one, nats; default: the setting's")
      ->check(CLI::Range(0x1p-10, 1.0));
  app->add_flag("--json", *json, "Print a JSON list of rows");
  return {app, [options, json] {
            PrintEnvironment(*json ? stderr : stdout);
            Progress progress;
            const auto rows = RunCodecBenchmark(*options, [&](const std::string& line) { progress.Show(line); });
            progress.Finish();
            *json ? PrintJson(rows) : PrintTable(rows);
            return 0;
          }};
}

void PrintTable(const std::vector<StoreRow>& rows) {
  fmt::print("\n{:<14}{:>9}{:>11}{:>9}{:>9}{:>12}{:>12}{:>12}{:>9}{:>12}{:>9}\n", "", "bytes", "write", "open", "open",
             "in order", "in order", "random", "p99", "random", "p99");
  fmt::print("{:<14}{:>9}{:>11}{:>9}{:>9}{:>12}{:>12}{:>12}{:>9}{:>12}{:>9}\n", "", "a label", "labels/s", "ms", "MiB",
             "warm, /s", "cold, /s", "warm, /s", "us", "cold, /s", "us");
  for (const StoreRow& row : rows) {
    fmt::print("{:<14}{:>9.1f}{:>11.0f}{:>9.1f}{:>9.1f}{:>12.0f}{:>12.0f}{:>12.0f}{:>9.1f}{:>12.0f}{:>9.0f}\n",
               row.store, row.bytes_per_label, row.write_labels_per_second, row.open_milliseconds,
               row.open_resident_mebibytes, row.sequential_warm.labels_per_second,
               row.sequential_cold.labels_per_second, row.random_warm.labels_per_second,
               row.random_warm.p99_microseconds, row.random_cold.labels_per_second, row.random_cold.p99_microseconds);
  }
}

void PrintScale(const ScaleReport& report) {
  const auto labels = static_cast<double>(report.num_labels);
  fmt::print("\nlabels     {}\n", Grouped(report.num_labels));
  fmt::print("written    in {:.1f} s, {:.2f} million labels/s\n", report.write_seconds,
             labels / report.write_seconds / 1e6);
  fmt::print("size       {} bytes, {:.2f} a label; {} bytes written to disk, {:.3f} of the size\n",
             Grouped(report.final_bytes), static_cast<double>(report.final_bytes) / labels,
             Grouped(report.disk_bytes_written),
             static_cast<double>(report.disk_bytes_written) / static_cast<double>(report.final_bytes));
  fmt::print("memory     ");
  for (const auto& [done, mebibytes] : report.peak_mebibytes) fmt::print("{:.0f} ", mebibytes);
  fmt::print("MiB resident at most while writing, tenth by tenth\n");
  fmt::print("verified   {} labels in {:.1f} s\n", Grouped(report.labels_verified), report.verify_seconds);
  fmt::print("opened     in {:.1f} ms ({:.1f} ms cold), {:.1f} MiB more resident\n", report.open_milliseconds,
             report.open_cold_milliseconds, report.open_resident_mebibytes);
  fmt::print("read       {:.2f} million labels/s in order, {:.0f} thousand at random (p99 {:.1f} us)\n",
             report.sequential.labels_per_second / 1e6, report.random.labels_per_second / 1e3,
             report.random.p99_microseconds);
}

Command AddStore(CLI::App& bench) {
  CLI::App* app = bench.add_subcommand("store", "Reading labels from Decant's store and from other ways to keep them");
  const auto options = std::make_shared<StoreBenchmarkOptions>();
  const auto scale = std::make_shared<bool>(false);
  const auto json = std::make_shared<bool>(false);
  app->add_option("--labels", options->num_labels, "Labels of each store")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app->add_option("--classes", options->num_classes, "Classes of the synthetic teacher")
      ->capture_default_str()
      ->check(CLI::Range(2, 1 << 24));
  app->add_option("--k", options->k, "Entries of a label")->capture_default_str()->check(CLI::PositiveNumber);
  app->add_option("--seed", options->seed, "Seed of labels and positions")->capture_default_str();
  app->add_option("--span-chunks", options->span_chunks, "Chunks of 1,024 labels in a span of Decant's store")
      ->capture_default_str();
  app->add_option("--dir", options->directory, "Where the stores are written, and removed; default: /tmp");
  app->add_flag("--scale", *scale, "Decant's store alone: also memory, bytes written and verification");
  app->add_flag("--json", *json, "Print JSON: a list of rows, or one object with --scale");
  return {app, [options, scale, json] {
            PrintEnvironment(*json ? stderr : stdout);
            Progress progress;
            const auto show = [&](const std::string& line) { progress.Show(line); };
            if (*scale) {
              const ScaleReport report = RunScaleBenchmark(*options, show);
              progress.Finish();
              *json ? fmt::print("{}\n", ToJson(report).dump(2)) : PrintScale(report);
              return 0;
            }
            const std::vector<StoreRow> rows = RunStoreBenchmark(*options, show);
            progress.Finish();
            *json ? PrintJson(rows) : PrintTable(rows);
            return 0;
          }};
}

void PrintTable(const std::vector<SelectRow>& rows) {
  fmt::print("\n{:<14}{:>12}{:>10}{:>10}{:>10}{:>10}{:>14}{:>10}{:>10}\n", "", "labels/s", "a label", "select",
             "encode", "write", "partial_sort", "torch", "torch /");
  fmt::print("{:<14}{:>12}{:>10}{:>10}{:>10}{:>10}{:>14}{:>10}{:>10}\n", "", "", "us", "us", "us", "us", "us", "us",
             "ours");
  for (const SelectRow& row : rows) {
    fmt::print("{:<14}{:>12.0f}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}{:>14.2f}{:>10}{:>10}{}\n", row.setting,
               row.labels_per_second, row.microseconds_per_label, row.select_microseconds, row.encode_microseconds,
               row.write_microseconds, row.partial_sort_microseconds, Figure(row.torch_microseconds, "{:.2f}"),
               Figure(row.ratio_to_torch, "{:.1f}"), row.note.empty() ? "" : "  " + row.note);
  }
}

Command AddSelect(CLI::App& bench) {
  CLI::App* app =
      bench.add_subcommand("select", "What a label costs beyond the teacher's forward pass, beside PyTorch");
  const auto options = std::make_shared<SelectBenchmarkOptions>();
  const auto json = std::make_shared<bool>(false);
  app->add_option("--setting", options->setting, "c1000_k10, c21841_k100, v151936_k128 or all")->capture_default_str();
  app->add_option("--rows", options->num_rows, "Rows of logits that are measured; default: 100 to 150 MB");
  app->add_option("--seed", options->seed, "Seed of the synthetic teachers")->capture_default_str();
  app->add_option("--dir", options->directory, "Where rows and labels are written, and removed; default: /tmp");
  app->add_flag("--json", *json, "Print a JSON list of rows");
  return {app, [options, json] {
            PrintEnvironment(*json ? stderr : stdout);
            Progress progress;
            const auto rows = RunSelectBenchmark(*options, [&](const std::string& line) { progress.Show(line); });
            progress.Finish();
            *json ? PrintJson(rows) : PrintTable(rows);
            return 0;
          }};
}

void PrintTable(const std::vector<nlohmann::ordered_json>& objects) {
  for (const auto& object : objects) {
    fmt::print("\n{}\n", object["setting"].get<std::string>());
    for (const auto& [name, value] : object.items()) {
      if (name != "setting" && name != "rows") fmt::print("  {:<28}{}\n", name, value.dump());
    }
    if (!object.contains("rows")) continue;
    fmt::print("  {:>8}{:>12}{:>16}{:>16}\n", "ranks", "efficiency", "message thread", "commit thread");
    for (const auto& row : object["rows"]) {
      fmt::print("  {:>8}{:>12.3f}{:>16.3f}{:>16.3f}\n", row["ranks"].get<uint64_t>(), row["efficiency"].get<double>(),
                 row["message_thread_busy"].get<double>(), row["commit_thread_busy"].get<double>());
    }
  }
}

Command AddClusterBench(CLI::App& bench) {
  CLI::App* app = bench.add_subcommand("cluster", "What the coordinator of a job on many ranks can do");
  const auto options = std::make_shared<ClusterBenchmarkOptions>();
  const auto json = std::make_shared<bool>(false);
  app->add_option("--setting", options->setting, "efficiency, coordinator, restart, scaling or all")
      ->capture_default_str();
  app->add_option("--span-ms", options->span_milliseconds, "efficiency: of a span on the slowest rank, milliseconds")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app->add_option("--ranks", options->ranks, "coordinator: ranks, each a thread")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app->add_option("--files", options->files, "coordinator, scaling: files in the store")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app->add_option("--chunks", options->chunks, "restart: chunks of the store, in files of 250")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000000));
  app->add_option("--max-ranks", options->max_ranks, "scaling: ranks of the largest job")
      ->capture_default_str()
      ->check(CLI::Range(10, 10000));
  app->add_option("--message-us", options->message_microseconds,
                  "scaling: what a message costs beyond decisions, microseconds; default: one between threads")
      ->check(CLI::NonNegativeNumber);
  app->add_option("--csv", options->csv, "scaling: write the rows to this file, too");
  app->add_option("--dir", options->directory, "Where the stores are written, and removed; default: /tmp");
  app->add_flag("--json", *json, "Print a JSON list of objects");
  return {app, [options, json] {
            PrintEnvironment(*json ? stderr : stdout);
            Progress progress;
            const auto objects = RunClusterBenchmark(*options, [&](const std::string& line) { progress.Show(line); });
            progress.Finish();
            *json ? fmt::print("{}\n", nlohmann::ordered_json(objects).dump(2)) : PrintTable(objects);
            return 0;
          }};
}

#ifdef DECANT_TORCH
void PrintTable(const std::vector<ProduceRow>& rows) {
  fmt::print("\n{:<20}{:>11}{:>11}{:>9}{:>11}{:>9}{:>10}{:>10}{:>12}\n", "", "labels/s", "forward", "ratio",
             "TinyViT's", "ratio", "bytes", "TinyViT's", "peak MiB");
  for (const ProduceRow& row : rows) {
    fmt::print("{:<20}{:>11.1f}{:>11}{:>9}{:>11}{:>9}{:>10}{:>10}{:>12.0f}\n", row.setting, row.labels_per_second,
               Figure(row.forward_labels_per_second, "{:.1f}"), Figure(row.ratio_to_forward, "{:.3f}"),
               Figure(row.tinyvit_labels_per_second, "{:.1f}"), Figure(row.ratio_to_tinyvit, "{:.2f}"),
               Figure(row.bytes_per_label, "{:.1f}"), Figure(row.tinyvit_bytes_per_label, "{:.1f}"),
               static_cast<double>(row.peak_rss_bytes) / (1 << 20));
  }
}

Command AddProduceBench(CLI::App& bench) {
  CLI::App* app = bench.add_subcommand("produce", "Labelling against the bare forward pass, and against TinyViT's way");
  const auto options = std::make_shared<ProduceBenchmarkOptions>();
  const auto json = std::make_shared<bool>(false);
  app->add_option("--setting", options->setting, "c1000_k10, c21841_k100, ..._views, memory_<samples> or all")
      ->capture_default_str();
  app->add_option("--images", options->images, "Images of each round")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{64}, uint64_t{1} << 20));
  app->add_option("--rounds", options->rounds, "Rounds, in turn")->capture_default_str()->check(CLI::Range(1u, 100u));
  app->add_option("--memory-samples", options->memory_samples, "Datasets whose labelling's memory is compared")
      ->delimiter(',');
  app->add_flag("--json", *json, "Print a JSON list of rows");
  return {app, [options, json] {
            PrintEnvironment(*json ? stderr : stdout);
            Progress progress;
            const auto rows = RunProduceBenchmark(std::filesystem::read_symlink("/proc/self/exe"), *options,
                                                  [&](const std::string& line) { progress.Show(line); });
            progress.Finish();
            *json ? PrintJson(rows) : PrintTable(rows);
            return 0;
          }};
}

void PrintTable(const std::vector<RateRow>& rows) {
  fmt::print("\n{:<26}{:>14}{:>14}{:>9}  {:<20}{}\n", "", "rate", "reference", "ratio", "unit", "reference");
  for (const RateRow& row : rows) {
    fmt::print("{:<26}{:>14.4g}{:>14.4g}{:>9.3f}  {:<20}{}\n", row.setting, row.rate, row.reference_rate, row.ratio,
               row.unit, row.reference);
  }
}

using StudentBenchmark = std::vector<RateRow> (*)(const StudentBenchmarkOptions&, const ProgressFunction&);

Command AddStudentBench(CLI::App& bench, const char* name, const char* text, StudentBenchmark run) {
  CLI::App* app = bench.add_subcommand(name, text);
  const auto options = std::make_shared<StudentBenchmarkOptions>();
  const auto json = std::make_shared<bool>(false);
  app->add_option("--setting", options->setting, "The beginning of a row's name, or all")->capture_default_str();
  app->add_option("--rounds", options->rounds, "Rounds of ours and the reference, in turn")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1000u));
  if (std::string_view(name) == "stream") {
    app->add_option("--labels", options->labels, "Labels of the store")
        ->capture_default_str()
        ->check(CLI::Range(uint64_t{1} << 14, uint64_t{1} << 32));
    app->add_option("--dir", options->directory, "Where the store is written, and removed; default: /tmp");
  }
  app->add_flag("--json", *json, "Print a JSON list of rows");
  return {app, [options, json, run] {
            PrintEnvironment(*json ? stderr : stdout);
            Progress progress;
            const auto rows = run(*options, [&](const std::string& line) { progress.Show(line); });
            progress.Finish();
            *json ? PrintJson(rows) : PrintTable(rows);
            return 0;
          }};
}

void PrintTable(const TrainBenchmarkReport& report) {
  fmt::print("\n{:<24}{:>12}{:>14}{:>9}\n", "", "store, s", "beside, s", "ratio");
  for (const auto& row : ToJson(report)) {
    fmt::print("{:<24}{:>12.1f}{:>14.1f}{:>9.2f}\n", row["setting"].get<std::string>(),
               row["store_seconds"].get<double>(), row["teacher_seconds"].get<double>(),
               row["seconds_ratio"].get<double>());
  }
  fmt::print("\npeak memory     {:.0f} MiB from the store, {:.0f} MiB with the teacher beside\n",
             report.store_peak_bytes / (1 << 20), report.teacher_peak_bytes / (1 << 20));
  fmt::print("test accuracy   {:.4f} from the store, {:.4f} with the teacher beside\n",
             fmt::join(report.store_accuracy, " "), fmt::join(report.teacher_accuracy, " "));
}

Command AddTrainBench(CLI::App& bench) {
  CLI::App* app = bench.add_subcommand("train", "Students from a store against students with the teacher beside them");
  const auto options = std::make_shared<TrainBenchmarkOptions>();
  const auto json = std::make_shared<bool>(false);
  app->add_option("--epochs", options->epochs, "Epochs of each student")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1000u));
  app->add_option("--seeds", options->seeds, "Students of each kind")
      ->capture_default_str()
      ->check(CLI::Range(1u, 100u));
  app->add_flag("--json", *json, "Print a JSON list of rows");
  return {app, [options, json] {
            PrintEnvironment(*json ? stderr : stdout);
            Progress progress;
            const auto report = RunTrainBenchmark(std::filesystem::read_symlink("/proc/self/exe"), *options,
                                                  [&](const std::string& line) { progress.Show(line); });
            progress.Finish();
            *json ? fmt::print("{}\n", ToJson(report).dump(2)) : PrintTable(report);
            return 0;
          }};
}
#endif

}  // namespace

Command AddBench(CLI::App& program) {
  CLI::App* app = program.add_subcommand("bench", "Measures Decant beside what others use");
  app->require_subcommand(1);
  std::vector<Command> commands = {AddClusterBench(*app), AddCodec(*app), AddSelect(*app), AddStore(*app)};
#ifdef DECANT_TORCH
  commands.push_back(AddProduceBench(*app));
  commands.push_back(
      AddStudentBench(*app, "stream", "Reading a store, alone and beside a student's steps", RunStreamBenchmark));
  commands.push_back(
      AddStudentBench(*app, "densify", "Dense targets against memset() and LibTorch", RunDensifyBenchmark));
  commands.push_back(
      AddStudentBench(*app, "loss", "The loss and its gradient against a dense target's", RunLossBenchmark));
  commands.push_back(AddTrainBench(*app));
#endif
  return {app, [commands] {
            for (const Command& command : commands) {
              if (command.app->parsed()) return command.run();
            }
            return 0;
          }};
}

}  // namespace decant
