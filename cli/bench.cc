#include <cstdio>
#include <memory>

#include "decant/bench/codec_benchmark.h"
#include "decant/bench/environment.h"

#include "command.h"
#include "console.h"

namespace decant {
namespace {

std::string Figure(const std::optional<double>& value, const char* format, double unit = 1) {
  return value ? fmt::format(fmt::runtime(format), *value / unit) : "-";
}

void PrintEnvironment(std::FILE* stream) {
  fmt::print(stream, "{}\n", EnvironmentLine());
  if (const std::string warning = BuildWarning(); !warning.empty()) fmt::print(stderr, "decant: {}\n", warning);
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
  app->add_option("--delta", options->delta, "Step of the codecs that have one, nats")->capture_default_str();
  app->add_flag("--json", *json, "Print a JSON list of rows");
  return {app, [options, json] {
            PrintEnvironment(*json ? stderr : stdout);
            Progress progress;
            const auto rows = RunCodecBenchmark(*options, [&](const std::string& line) { progress.Show(line); });
            progress.Finish();
            if (*json) {
              nlohmann::ordered_json list = nlohmann::ordered_json::array();
              for (const CodecRow& row : rows) list.push_back(ToJson(row));
              fmt::print("{}\n", list.dump(2));
            } else {
              PrintTable(rows);
            }
            return 0;
          }};
}

}  // namespace

Command AddBench(CLI::App& program) {
  CLI::App* app = program.add_subcommand("bench", "Measures Decant beside what others use");
  app->require_subcommand(1);
  const std::vector<Command> commands = {AddCodec(*app)};
  return {app, [commands] {
            for (const Command& command : commands) {
              if (command.app->parsed()) return command.run();
            }
            return 0;
          }};
}

}  // namespace decant
