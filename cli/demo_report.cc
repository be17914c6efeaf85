#include "demo_report.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "console.h"

namespace decant {
namespace {

struct Spread {
  double mean = 0;
  double deviation = 0;  // of the sample
};

Spread SpreadOf(const std::vector<double>& values) {
  Spread spread;
  for (const double value : values) spread.mean += value / static_cast<double>(values.size());
  for (const double value : values) spread.deviation += (value - spread.mean) * (value - spread.mean);
  if (values.size() > 1) spread.deviation = std::sqrt(spread.deviation / static_cast<double>(values.size() - 1));
  return spread;
}

std::vector<double> Differences(const DemoReport& report) {
  std::vector<double> differences;
  for (size_t seed = 0; seed < report.distilled_accuracy.size(); ++seed) {
    differences.push_back(report.distilled_accuracy[seed] - report.hard_accuracy[seed]);
  }
  return differences;
}

std::string Percent(const Spread& spread) {
  return fmt::format("{:6.2f} % +- {:.2f}", 100 * spread.mean, 100 * spread.deviation);
}

}  // namespace

std::string DemoTable(const DemoReport& report) {
  const Spread gain = SpreadOf(Differences(report));
  const size_t num_seeds = report.distilled_accuracy.size();
  std::string table;
  const auto row = [&](std::string_view name, const std::string& value) {
    table += fmt::format("  {:<27} {}\n", name, value);
  };
  const auto network = [&](std::string_view name, uint64_t parameters, const std::string& accuracy) {
    row(name, fmt::format("{:>8} parameters   {}", Grouped(parameters), accuracy));
  };
  table += fmt::format("\nTest accuracy (mean +- standard deviation over {} seeds, {} steps each)\n", num_seeds,
                       Grouped(report.student_steps));
  network("teacher", report.teacher_parameters, fmt::format("{:6.2f} %", 100 * report.teacher_accuracy));
  network("student, from the store", report.student_parameters, Percent(SpreadOf(report.distilled_accuracy)));
  network("student, hard labels", report.student_parameters, Percent(SpreadOf(report.hard_accuracy)));
  row("gain, seed by seed", fmt::format("{:+.2f} points (standard error {:.2f})", 100 * gain.mean,
                                        100 * gain.deviation / std::sqrt(static_cast<double>(num_seeds))));

  table += fmt::format("\nStore: {} labels, the {} likeliest of {} classes each\n", Grouped(report.labels), report.k,
                       report.num_classes);
  row("bytes per label", fmt::format("{:.2f} (dense fp32 {:.0f}, TinyViT's record {:.0f})", report.bytes_per_label,
                                     report.dense_bytes_per_label(), report.tinyvit_bytes_per_label()));
  row("KL(teacher || stored)", fmt::format("mean {:.1e}, largest {:.1e}, guaranteed <= {:.1e} nats", report.kl_mean,
                                           report.kl_max, report.kl_bound));
  row("digest", report.digest);

  table += "\nSpeed\n";
  row("produced",
      fmt::format("{:>9} labels/s, {} {}", Grouped(static_cast<uint64_t>(report.labels_per_second_produced)),
                  report.ranks, report.ranks == 1 ? "rank" : "MPI ranks"));
  row("streamed",
      fmt::format("{:>9} labels/s, one reader", Grouped(static_cast<uint64_t>(report.labels_per_second_streamed))));
  row("student, from the store", fmt::format("{:9.2f} s", report.seconds_train_from_store));
  row("student, teacher beside it", fmt::format("{:9.2f} s ({:.1f} times as long)", report.seconds_train_with_teacher,
                                                report.seconds_train_with_teacher / report.seconds_train_from_store));
  return table;
}

std::string DemoJson(const DemoReport& report) {
  const nlohmann::ordered_json object = {{"teacher_accuracy", std::vector{report.teacher_accuracy}},
                                         {"distilled_accuracy", report.distilled_accuracy},
                                         {"hard_accuracy", report.hard_accuracy},
                                         {"distilled_minus_hard", SpreadOf(Differences(report)).mean},
                                         {"teacher_parameters", report.teacher_parameters},
                                         {"student_parameters", report.student_parameters},
                                         {"student_steps", report.student_steps},
                                         {"ranks", report.ranks},
                                         {"labels", report.labels},
                                         {"bytes_per_label", report.bytes_per_label},
                                         {"dense_bytes_per_label", report.dense_bytes_per_label()},
                                         {"tinyvit_bytes_per_label", report.tinyvit_bytes_per_label()},
                                         {"kl_mean", report.kl_mean},
                                         {"kl_max", report.kl_max},
                                         {"kl_bound", report.kl_bound},
                                         {"labels_per_second_produced", report.labels_per_second_produced},
                                         {"labels_per_second_streamed", report.labels_per_second_streamed},
                                         {"seconds_train_from_store", report.seconds_train_from_store},
                                         {"seconds_train_with_teacher", report.seconds_train_with_teacher},
                                         {"seconds_total", report.seconds_total},
                                         {"digest", report.digest}};
  return object.dump(2) + "\n";
}

}  // namespace decant
