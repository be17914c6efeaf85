#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace decant {

// What `decant demo` measures.
struct DemoReport {
  double teacher_accuracy = 0;
  std::vector<double> distilled_accuracy;  // one a seed
  std::vector<double> hard_accuracy;
  uint64_t teacher_parameters = 0;
  uint64_t student_parameters = 0;
  uint64_t student_steps = 0;
  int ranks = 0;
  uint64_t labels = 0;
  uint32_t num_classes = 0;
  uint32_t k = 0;
  double bytes_per_label = 0;  // of the store's files, everything included
  double kl_mean = 0;
  double kl_max = 0;
  double kl_bound = 0;
  double labels_per_second_produced = 0;
  double labels_per_second_streamed = 0;
  double seconds_train_from_store = 0;
  double seconds_train_with_teacher = 0;
  double seconds_total = 0;
  std::string digest;

  double dense_bytes_per_label() const { return 4.0 * num_classes; }
  // TinyViT's record: an int32 seed, and an int16 id and an fp16 probability for each entry.
  double tinyvit_bytes_per_label() const { return 4 + 4.0 * k; }
};

std::string DemoTable(const DemoReport& report);
// The keys are a contract: docs/demo.md.
std::string DemoJson(const DemoReport& report);

}  // namespace decant
