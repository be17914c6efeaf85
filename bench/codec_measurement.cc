#include "codec_measurement.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <numbers>

#include "fidelity.h"

namespace decant {
namespace {

constexpr int kPasses = 5;
constexpr double kPassSeconds = 2;  // no further pass after this

double ThreadSeconds() {
  timespec time;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <typename Pass>
double MedianSeconds(Pass pass) {
  std::vector<double> seconds;
  double total = 0;
  while (seconds.size() < kPasses && total < kPassSeconds) {
    const double begin = ThreadSeconds();
    pass();
    seconds.push_back(ThreadSeconds() - begin);
    total += seconds.back();
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace

ChunkedLabels::ChunkedLabels(const LabelBatch& labels, size_t chunk_labels)
    : num_labels(labels.size()), num_entries(labels.num_entries()) {
  for (size_t begin = 0; begin < labels.size(); begin += chunk_labels) {
    chunks.emplace_back().AppendRange(labels, begin, std::min(begin + chunk_labels, labels.size()));
  }
}

CodecRow MeasureCodec(const ChunkedLabels& labels, uint32_t num_classes, LabelCodec* codec) {
  std::vector<std::string> encoded(labels.chunks.size());
  const double encode_seconds = MedianSeconds([&] {
    for (size_t chunk = 0; chunk < encoded.size(); ++chunk) encoded[chunk] = codec->Encode(labels.chunks[chunk]);
  });
  LabelBatch decoded;
  const double decode_seconds = MedianSeconds([&] {
    for (size_t chunk = 0; chunk < encoded.size(); ++chunk) {
      decoded.Clear();
      codec->Decode(encoded[chunk], labels.chunks[chunk].size(), &decoded);
    }
  });

  size_t bytes = 0;
  double kl_sum = 0, kl_max = 0, gradient_sum = 0;
  for (size_t chunk = 0; chunk < encoded.size(); ++chunk) {
    bytes += encoded[chunk].size();
    decoded.Clear();
    codec->Decode(encoded[chunk], labels.chunks[chunk].size(), &decoded);
    for (size_t i = 0; i < decoded.size(); ++i) {
      const LabelError error = CompareLabels(labels.chunks[chunk], i, decoded, i, num_classes);
      kl_sum += error.kl;
      kl_max = std::max(kl_max, error.kl);
      gradient_sum += error.gradient;
    }
  }
  const auto count = static_cast<double>(labels.num_labels);
  const auto entries = static_cast<double>(labels.num_entries);
  return {.codec = codec->name(),
          .bytes_per_label = static_cast<double>(bytes) / count,
          .table_bytes = static_cast<double>(codec->table_bytes()),
          .kl_mean = kl_sum / count,
          .kl_max = kl_max,
          .kl_bound = codec->kl_bound(),
          .gradient_error = gradient_sum / count,
          .encode_entries_per_second = entries / encode_seconds,
          .decode_entries_per_second = entries / decode_seconds,
          .entries_per_label = entries / count,
          .note = codec->note()};
}

double IdSetBits(uint32_t num_classes, uint32_t count) {
  const auto log_factorial = [](double n) { return std::lgamma(n + 1); };
  return (log_factorial(num_classes) - log_factorial(count) - log_factorial(static_cast<double>(num_classes) - count)) /
         std::numbers::ln2;
}

}  // namespace decant
