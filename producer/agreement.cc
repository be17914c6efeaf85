#include "decant/producer/agreement.h"

#include <algorithm>
#include <cmath>

#include "decant/base/error.h"

namespace decant {
namespace {

struct Entry {
  uint32_t id = 0;
  double log_prob = 0;
};

std::vector<Entry> EntriesById(const LabelBatch& labels, size_t i) {
  std::vector<Entry> entries;
  for (size_t entry = 0; entry < labels.LabelIds(i).size(); ++entry) {
    entries.push_back({labels.LabelIds(i)[entry], labels.LabelLogProbs(i)[entry]});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
  return entries;
}

uint32_t Likeliest(const std::vector<Entry>& entries) {
  const auto best = std::max_element(entries.begin(), entries.end(),
                                     [](const Entry& a, const Entry& b) { return a.log_prob < b.log_prob; });
  return best == entries.end() ? 0 : best->id;
}

// p log(p / q) for masses that rounding may have made 0.
double Divergence(double p, double q) {
  constexpr double kLeastMass = 1e-12;
  return p > 0 ? p * (std::log(p) - std::log(std::max(q, kLeastMass))) : 0;
}

struct LabelAgreement {
  bool top_1 = false;
  double overlap = 0;
  double kl = 0;
};

LabelAgreement CompareOne(const std::vector<Entry>& teacher, const std::vector<Entry>& label) {
  LabelAgreement agreement;
  double teacher_rest = 1, label_rest = 1;
  size_t num_common = 0;
  for (auto a = teacher.begin(), b = label.begin(); a != teacher.end() && b != label.end();) {
    if (a->id < b->id) {
      ++a;
    } else if (b->id < a->id) {
      ++b;
    } else {
      const double p = std::exp(a->log_prob), q = std::exp(b->log_prob);
      agreement.kl += Divergence(p, q);
      teacher_rest -= p;
      label_rest -= q;
      ++num_common, ++a, ++b;
    }
  }
  constexpr double kRounding = 1e-6;  // of float32 log-probabilities
  if (teacher_rest > kRounding) agreement.kl += Divergence(teacher_rest, std::max(label_rest, kRounding));
  agreement.top_1 = Likeliest(teacher) == Likeliest(label);
  agreement.overlap = static_cast<double>(num_common) / static_cast<double>(std::max<size_t>(1, teacher.size()));
  return agreement;
}

}  // namespace

Agreement Compare(const LabelBatch& teacher, const LabelBatch& labels) {
  if (teacher.size() != labels.size()) {
    Fail(ErrorCode::kMismatch, "{} labels of the teacher, but {} to compare with", teacher.size(), labels.size());
  }
  Agreement agreement = {.num_labels = labels.size()};
  const auto n = static_cast<double>(std::max<size_t>(1, labels.size()));
  double squares = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const LabelAgreement one = CompareOne(EntriesById(teacher, i), EntriesById(labels, i));
    agreement.top_1 += one.top_1 / n;
    agreement.overlap += one.overlap / n;
    agreement.kl_mean += one.kl / n;
    squares += one.kl * one.kl / n;
  }
  agreement.kl_deviation = std::sqrt(std::max(0.0, squares - agreement.kl_mean * agreement.kl_mean));
  return agreement;
}

std::vector<std::string> Disagreements(const Agreement& found, const Agreement& control) {
  const auto n = static_cast<double>(std::max<uint64_t>(1, std::min(found.num_labels, control.num_labels)));
  // A share's variance is largest where the control allows: at its own value.
  const auto margin = [&](double share) { return 3 * std::sqrt(2 * share * (1 - share) / n); };
  std::vector<std::string> disagreements;
  const double least_top_1 = control.top_1 - margin(control.top_1) - 0.002;
  if (found.top_1 < least_top_1) {
    disagreements.push_back(
        fmt::format("top-1 agreement is {:.4f}, but at least {:.4f} was to be expected", found.top_1, least_top_1));
  }
  const double least_overlap = control.overlap - margin(control.overlap) - 0.005;
  if (found.overlap < least_overlap) {
    disagreements.push_back(
        fmt::format("overlap of the listed classes is {:.4f}, but at least {:.4f} was to be expected", found.overlap,
                    least_overlap));
  }
  const double largest_kl = 1.5 * control.kl_mean + 3 * control.kl_deviation * std::sqrt(2 / n) + 1e-5;
  if (found.kl_mean > largest_kl) {
    disagreements.push_back(fmt::format("mean KL(teacher || stored) is {:.2e}, but at most {:.2e} was to be expected",
                                        found.kl_mean, largest_kl));
  }
  return disagreements;
}

}  // namespace decant
