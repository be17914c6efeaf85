#include "reading.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "decant/base/error.h"

#include "fast_random.h"

namespace decant {
namespace {

constexpr uint16_t kPositionStream = 6;
constexpr uint64_t kCheckedLabels = 200;

std::vector<uint32_t> SortedIds(const LabelBatch& labels, size_t i) {
  std::vector<uint32_t> ids(labels.LabelIds(i).begin(), labels.LabelIds(i).end());
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

double SecondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ReadFigures ReadRandomly(LabelRows* rows, uint64_t num_labels, uint64_t num_reads, double seconds, uint64_t seed) {
  FastRandom random(seed, 0, kPositionStream);
  std::vector<float> latencies;
  LabelBatch labels;
  const double begin = SecondsNow();
  double now = begin;
  while (latencies.size() < num_reads && now - begin < seconds) {
    labels.Clear();
    rows->ReadOne(random.Bits() % num_labels, &labels);
    const double before = now;
    now = SecondsNow();
    latencies.push_back(static_cast<float>(now - before));
  }
  const auto p99 = latencies.begin() + static_cast<std::ptrdiff_t>(latencies.size() * 99 / 100);
  std::nth_element(latencies.begin(), p99, latencies.end());
  return {.labels_per_second = static_cast<double>(latencies.size()) / (now - begin),
          .p99_microseconds = 1e6 * double{*p99}};
}

ReadFigures ReadInOrder(LabelRows* rows, uint64_t num_labels, double seconds) {
  LabelBatch labels;
  const double begin = SecondsNow();
  uint64_t read = 0;
  while (read < num_labels && SecondsNow() - begin < seconds) {
    const uint64_t end = std::min<uint64_t>(read + CycledLabels::kChunkLabels, num_labels);
    labels.Clear();
    rows->ReadChunk(read, end, &labels);
    read = end;
  }
  return {.labels_per_second = static_cast<double>(read) / (SecondsNow() - begin)};
}

void CheckRows(LabelRows* rows, const CycledLabels& labels, uint64_t num_labels) {
  FastRandom random(0, 0, kPositionStream);
  LabelBatch found;
  const auto check = [&](size_t i, uint64_t position) {
    const size_t index = labels.IndexAt(position);
    if (SortedIds(found, i) != SortedIds(labels.distinct(), index)) {
      Fail(ErrorCode::kInternal, "{}: label {} came back with other classes", rows->name(), position);
    }
  };
  for (uint64_t i = 0; i < kCheckedLabels; ++i) {
    const uint64_t position = random.Bits() % num_labels;
    found.Clear();
    rows->ReadOne(position, &found);
    check(0, position);
  }
  const uint64_t last_chunk = (num_labels - 1) / CycledLabels::kChunkLabels * CycledLabels::kChunkLabels;
  found.Clear();
  rows->ReadChunk(last_chunk, num_labels, &found);
  if (found.size() != num_labels - last_chunk) Fail(ErrorCode::kInternal, "{}: the last chunk is short", rows->name());
  for (size_t i = 0; i < found.size(); ++i) check(i, last_chunk + i);
}

}  // namespace decant
