#include "metrics.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "decant/base/error.h"
#include "decant/base/file.h"

namespace decant {

MetricsFile::MetricsFile(std::string path, uint32_t epochs_done) : path_(std::move(path)) {
  if (path_.empty()) return;
  std::string kept;
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const bool is_metrics = object.is_object() && object.contains("epoch") && object["epoch"].is_number_unsigned();
    const bool cut_short = file.eof();  // by a kill
    if (!is_metrics && !cut_short) {
      Fail(ErrorCode::kInvalidArgument, "train.metrics: {} exists and is no file of metrics; name another path", path_);
    }
    if (is_metrics && object["epoch"] <= epochs_done) kept += line + "\n";
  }
  WriteFileAtomically(path_, kept);
}

void MetricsFile::Append(const EpochReport& report, uint64_t num_steps) {
  if (path_.empty()) return;
  nlohmann::ordered_json line = {{"epoch", report.epoch}, {"steps", num_steps}, {"train_loss", report.train_loss}};
  if (report.test_accuracy) line["test_accuracy"] = *report.test_accuracy;
  line["learning_rate"] = report.learning_rate;
  line["train_seconds"] = report.train_seconds;
  std::ofstream file(path_, std::ios::app);
  if (!(file << line.dump() << '\n' << std::flush)) Fail(ErrorCode::kUnavailable, "cannot write to {}", path_);
}

}  // namespace decant
