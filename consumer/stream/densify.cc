#include "decant/consumer/densify.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

#include "decant/base/clones.h"
#include "decant/base/error.h"
#include "decant/base/half.h"

#include "../loss/row_loops.h"
#include "dense_rows.h"

namespace decant {
namespace {

size_t BytesOf(DenseType type) {
  return type == DenseType::kFloat32 ? 4 : 2;
}

// Dense labels of so many bytes are left in the caches for who reads them next.
constexpr size_t kCachedBytes = 4 << 20;

float ScaleOf(std::span<const float> log_probs, TailRule rule) {
  if (rule != TailRule::kRenormalise) return 1;
  double sum = 0;
  for (const float log_prob : log_probs) sum += std::exp(double{log_prob});
  return static_cast<float>(1 / sum);
}

DECANT_CLONES("avx512f", "avx2")
void Fill(float* row, size_t size, float value) {
#pragma omp simd
  for (size_t i = 0; i < size; ++i) row[i] = value;
}
DECANT_CLONES("avx512f", "avx2")
void Fill(uint16_t* row, size_t size, uint16_t value) {
#pragma omp simd
  for (size_t i = 0; i < size; ++i) row[i] = value;
}

template <typename Number, Number (*Convert)(float)>
void WriteRows(const LabelBatch& labels, const DensifyOptions& options, size_t begin, size_t end, std::byte* out) {
  const size_t columns = DenseColumns(options);
  const bool past_caches = labels.size() * columns * sizeof(Number) > kCachedBytes;
  auto* row = reinterpret_cast<Number*>(out) + begin * columns;
  RowStreamer streamer;
  std::vector<float> probs;
  std::vector<Number> values;
  for (size_t i = begin; i < end; ++i, row += columns) {
    const auto ids = labels.LabelIds(i);
    const auto log_probs = labels.LabelLogProbs(i);
    const size_t num_unlisted = options.num_classes - ids.size();
    const float tail = num_unlisted > 0 ? labels.tail_mass[i] : 0;
    const bool is_uniform = options.tail == TailRule::kUniform && num_unlisted > 0;
    const Number fill = Convert(is_uniform ? tail / static_cast<float>(num_unlisted) : 0);
    probs.resize(ids.size());
    ScaledExps(log_probs.data(), ids.size(), /*largest=*/0, /*temperature=*/1, ScaleOf(log_probs, options.tail),
               /*offset=*/0, probs.data());
    values.resize(ids.size());
    std::transform(probs.begin(), probs.end(), values.begin(), Convert);
    if (past_caches) {
      streamer.Write<Number>({row, options.num_classes}, fill, ids, values);
    } else {
      Fill(row, options.num_classes, fill);
      for (size_t entry = 0; entry < ids.size(); ++entry) row[ids[entry]] = values[entry];
    }
    if (options.tail == TailRule::kGhost) row[options.num_classes] = Convert(tail);
  }
}

float Same(float value) {
  return value;
}

void CheckIds(const LabelBatch& labels, uint32_t num_classes) {
  const auto largest = std::ranges::max_element(labels.ids);
  if (largest == labels.ids.end() || *largest < num_classes) return;
  Fail(ErrorCode::kInvalidArgument, "a label lists class {}, but there are {} classes", *largest, num_classes);
}

}  // namespace

size_t DenseColumns(const DensifyOptions& options) {
  return options.num_classes + (options.tail == TailRule::kGhost ? 1 : 0);
}

void Densify(const LabelBatch& labels, const DensifyOptions& options, std::span<std::byte> out) {
  const size_t num_bytes = labels.size() * DenseColumns(options) * BytesOf(options.type);
  if (out.size() != num_bytes) {
    Fail(ErrorCode::kInvalidArgument, "a buffer of {} bytes for {} dense labels of {} columns, which take {}",
         out.size(), labels.size(), DenseColumns(options), num_bytes);
  }
  CheckIds(labels, options.num_classes);
  const auto write = [&](size_t begin, size_t end) {
    switch (options.type) {
      case DenseType::kFloat32:
        return WriteRows<float, Same>(labels, options, begin, end, out.data());
      case DenseType::kBfloat16:
        return WriteRows<uint16_t, FloatToBf16>(labels, options, begin, end, out.data());
      case DenseType::kFloat16:
        return WriteRows<uint16_t, FloatToFp16>(labels, options, begin, end, out.data());
    }
  };
  const size_t num_threads = std::clamp<size_t>(options.threads, 1, std::max<size_t>(labels.size(), 1));
  const auto bound = [&](size_t thread) { return labels.size() * thread / num_threads; };
  std::vector<std::jthread> threads;
  for (size_t thread = 1; thread < num_threads; ++thread) {
    threads.emplace_back([&, thread] { write(bound(thread), bound(thread + 1)); });
  }
  write(0, bound(1));
}

}  // namespace decant
