#include <algorithm>
#include <cmath>
#include <filesystem>

#include "decant/base/error.h"
#include "decant/data/npy.h"
#include "decant/exchange/exchange.h"

#include "importer.h"
#include "npz_arrays.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> FindFiles(const std::vector<std::string>& sources) {
  std::vector<std::string> files;
  for (const std::string& source : sources) {
    if (!fs::is_directory(source)) {
      files.push_back(source);
      continue;
    }
    const auto before = static_cast<std::ptrdiff_t>(files.size());
    for (const auto& entry : fs::directory_iterator(source)) {
      if (entry.path().extension() == ".npz") files.push_back(entry.path());
    }
    std::sort(files.begin() + before, files.end());
    if (static_cast<std::ptrdiff_t>(files.size()) == before) {
      Fail(ErrorCode::kNotFound, "{} holds no .npz file", source);
    }
  }
  return files;
}

// The arrays of one file, as labels.
class NpzLabels {
 public:
  explicit NpzLabels(const std::string& path) : path_(path), arrays_(ReadNpz(path)) {
    offsets_ = Take<uint64_t>(kOffsetsArray);
    ids_ = Take<uint32_t>(kIdsArray);
    log_probs_ = Take<float>(kLogProbsArray);
    tail_mass_ = Take<float>(kTailMassArray);
    CheckOffsets(kOffsetsArray, offsets_, ids_.size());
    CheckSize(kTailMassArray, offsets_.size() - 1, tail_mass_.size());
    CheckSize(kLogProbsArray, ids_.size(), log_probs_.size());
    // Decoded labels can be above 0 by rounding.
    for (float& log_prob : log_probs_) {
      if (log_prob > 0 && log_prob < 1e-6f) log_prob = 0;
    }
    if (Has(kTemperaturesArray)) temperatures_ = Take<double>(kTemperaturesArray);
    if (Has(kNumClassesArray)) num_classes_ = Scalar(kNumClassesArray);
    if (Has(kOtherTailsArray)) other_tails_ = Take<float>(kOtherTailsArray);
    CheckSize(kOtherTailsArray, size() * (std::max<size_t>(1, temperatures_.size()) - 1), other_tails_.size());
    if (Has(kTrueLogProbsArray)) {
      true_log_probs_ = Take<float>(kTrueLogProbsArray);
      CheckSize(kTrueLogProbsArray, size(), true_log_probs_.size());
    }
    if (Has(kWindowHashesArray)) {
      window_hashes_ = Take<uint64_t>(kWindowHashesArray);
      window_offsets_ = Take<uint64_t>(kWindowOffsetsArray);
      CheckOffsets(kWindowOffsetsArray, window_offsets_, size());
      CheckSize(kWindowHashesArray, window_offsets_.size() - 1, window_hashes_.size());
    }
    if (Has(kViewFingerprintsArray)) {
      view_fingerprints_ = Take<uint16_t>(kViewFingerprintsArray);
      CheckSize(kViewFingerprintsArray, num_samples(), view_fingerprints_.size());
    }
    arrays_.clear();
  }

  size_t size() const { return tail_mass_.size(); }
  bool windows() const { return !window_offsets_.empty(); }
  size_t num_samples() const { return windows() ? window_hashes_.size() : size(); }
  bool true_label() const { return !true_log_probs_.empty(); }
  bool view_fingerprints() const { return !view_fingerprints_.empty(); }
  const std::vector<double>& temperatures() const { return temperatures_; }
  // As the file says it; else 1 + the largest class.
  uint32_t num_classes() const {
    if (num_classes_ != 0 || ids_.empty()) return num_classes_;
    return 1 + *std::max_element(ids_.begin(), ids_.end());
  }
  uint64_t MostEntries() const {
    uint64_t most = 0;
    for (size_t i = 0; i < size(); ++i) most = std::max(most, offsets_[i + 1] - offsets_[i]);
    return most;
  }

  // The labels of the samples [begin, end).
  LabelBatch Rows(uint64_t begin, uint64_t end) const {
    const uint64_t first = windows() ? window_offsets_[begin] : begin;
    const uint64_t last = windows() ? window_offsets_[end] : end;
    LabelBatch labels;
    for (uint64_t i = first; i < last; ++i) {
      const uint64_t count = offsets_[i + 1] - offsets_[i];
      labels.Append(std::span(ids_).subspan(offsets_[i], count), std::span(log_probs_).subspan(offsets_[i], count),
                    tail_mass_[i]);
    }
    const auto copy = [&](const std::vector<float>& from, size_t width, std::vector<float>* to) {
      if (!from.empty()) to->assign(from.data() + first * width, from.data() + last * width);
    };
    copy(other_tails_, temperatures_.size() - 1, &labels.other_tails);
    copy(true_log_probs_, 1, &labels.true_log_probs);
    if (windows()) {
      for (uint64_t window = begin; window < end; ++window) {
        labels.window_offsets.push_back(static_cast<uint32_t>(window_offsets_[window + 1] - first));
        labels.window_hashes.push_back(window_hashes_[window]);
      }
    }
    if (view_fingerprints()) {
      labels.view_fingerprints.assign(view_fingerprints_.data() + begin, view_fingerprints_.data() + end);
    }
    return labels;
  }

 private:
  std::string What(const char* name) const { return fmt::format("{}, array '{}'", path_, name); }
  bool Has(const char* name) const { return arrays_.contains(name); }
  template <typename T>
  std::vector<T> Take(const char* name) {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) Fail(ErrorCode::kNotFound, "{}: no array '{}'", path_, name);
    std::vector<T> numbers = NumbersOf<T>(found->second, What(name));
    arrays_.erase(found);
    return numbers;
  }
  uint32_t Scalar(const char* name) {
    const std::vector<uint32_t> numbers = Take<uint32_t>(name);
    CheckSize(name, 1, numbers.size());
    return numbers[0];
  }
  void CheckSize(const char* name, uint64_t expected, uint64_t found) const {
    if (expected == found) return;
    Fail(ErrorCode::kInvalidArgument, "{}: expected {} elements, found {}", What(name), expected, found);
  }
  void CheckOffsets(const char* name, const std::vector<uint64_t>& offsets, uint64_t end) const {
    if (!offsets.empty() && offsets.front() == 0 && offsets.back() == end && std::ranges::is_sorted(offsets)) return;
    Fail(ErrorCode::kInvalidArgument, "{}: expected offsets that ascend from 0 to {}", What(name), end);
  }

  std::string path_;
  std::map<std::string, NpyArray> arrays_;
  std::vector<uint64_t> offsets_, window_offsets_, window_hashes_;
  std::vector<uint32_t> ids_;
  std::vector<uint16_t> view_fingerprints_;
  std::vector<float> log_probs_, tail_mass_, other_tails_, true_log_probs_;
  std::vector<double> temperatures_ = {1};
  uint32_t num_classes_ = 0;
};

// What all files have in common.
Schema CommonSchema(const std::vector<std::string>& files, const NpzImport& options) {
  Schema schema;
  uint64_t most_entries = 1;
  uint32_t num_classes = 1;
  for (size_t i = 0; i < files.size(); ++i) {
    const NpzLabels labels(files[i]);
    CodecParams params = {.delta = options.delta, .temperatures = labels.temperatures()};
    params.true_label = labels.true_label();
    params.windows = labels.windows();
    params.view_fingerprints = labels.view_fingerprints();
    if (i == 0) {
      schema = ImportedSchema("npz", labels.num_samples(), static_cast<uint32_t>(files.size()));
      schema.codec = params;
    } else if (labels.num_samples() != schema.layout.num_samples || !(params == schema.codec)) {
      Fail(ErrorCode::kMismatch, "{}: samples, temperatures or columns are not those of {}", files[i], files[0]);
    }
    most_entries = std::max(most_entries, labels.MostEntries());
    num_classes = std::max(num_classes, labels.num_classes());
  }
  if (options.num_classes != 0) num_classes = options.num_classes;
  schema.codec.num_classes = num_classes;
  schema.codec.k = static_cast<uint32_t>(std::min<uint64_t>(most_entries, num_classes));
  return schema;
}

}  // namespace

ImportReport ImportNpz(const std::string& out, const NpzImport& options) {
  const std::vector<std::string> files = FindFiles(options.sources);
  const Schema schema = CommonSchema(files, options);
  std::unique_ptr<NpzLabels> labels;
  const auto named = [&](uint32_t epoch, const auto& body) {
    try {
      return body();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;
      Fail(error.code(), "{}: {}", files[epoch], error.what());
    }
  };
  uint32_t open_epoch = 0;
  const auto open = [&](uint32_t epoch) {
    labels.reset();
    labels = std::make_unique<NpzLabels>(files[epoch]);
    open_epoch = epoch;
  };
  return WriteImport(out, schema, {},
                     {.calibrate =
                          [&] {
                            open(0);
                            return named(0, [&] {
                              return LearnTables(schema.codec, labels->Rows(0, schema.calibration.num_labels),
                                                 schema.calibration.prior);
                            });
                          },
                      .begin_epoch = open,
                      .add_chunk =
                          [&](uint64_t begin, uint64_t end, SpanWriter* writer) {
                            named(open_epoch, [&] {
                              try {
                                writer->AddChunk(labels->Rows(begin, end));
                              } catch (const Error& error) {
                                Fail(error.code(), "samples {} to {}: {}", begin, end - 1, error.what());
                              }
                            });
                          }});
}

}  // namespace decant
