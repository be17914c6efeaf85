#include "decant/bench/synthetic_teacher.h"

#include <algorithm>
#include <future>
#include <vector>

#include "decant/producer/select.h"

namespace decant {

LabelBatch MakeLabels(const SyntheticTeacher& teacher, uint64_t first_index, size_t num_labels, unsigned num_threads) {
  std::vector<LabelBatch> parts(std::max(1u, num_threads));
  const auto part_begin = [&](size_t part) { return num_labels * part / parts.size(); };
  const auto make_part = [&](size_t part) {
    TopKSelector selector(teacher.num_classes(), teacher.k(), 1);
    std::vector<float> logits(teacher.num_classes());
    for (size_t i = part_begin(part); i < part_begin(part + 1); ++i) {
      teacher.Logits(first_index + i, logits);
      selector.Append(logits, &parts[part]);
    }
  };
  std::vector<std::future<void>> others;
  for (size_t part = 1; part < parts.size(); ++part) {
    others.push_back(std::async(std::launch::async, make_part, part));
  }
  make_part(0);
  for (std::future<void>& other : others) other.get();
  LabelBatch labels = std::move(parts[0]);
  for (size_t part = 1; part < parts.size(); ++part) labels.AppendRange(parts[part], 0, parts[part].size());
  return labels;
}

}  // namespace decant
