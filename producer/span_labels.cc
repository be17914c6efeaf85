#include "decant/producer/span_labels.h"

#include <algorithm>
#include <numeric>

#include "decant/base/error.h"
#include "decant/producer/span_groups.h"

#include "span_labels_impl.h"

namespace decant {
namespace {

std::vector<uint64_t> PositionsOf(const Layout& layout, const Span& span) {
  const uint64_t begin = span.chunk_begin * layout.chunk_size;
  const uint64_t end = std::min(span.chunk_end * layout.chunk_size, layout.num_samples);
  std::vector<uint64_t> positions(end - begin);
  std::iota(positions.begin(), positions.end(), begin);
  return positions;
}

std::vector<uint64_t> SamplesAt(const SpanTools& tools, uint32_t epoch, const std::vector<uint64_t>& positions) {
  std::vector<uint64_t> samples;
  samples.reserve(positions.size());
  const Order order = tools.OrderOf(epoch);
  for (const uint64_t position : positions) samples.push_back(order.SampleAt(position));
  return samples;
}

// An order that this build does not know matters only to those who need samples.
bool HasOrder(const Schema& schema) {
  return !schema.order.empty();
}

}  // namespace

SpanLabels::Impl::Impl(SpanTools& a_tools, const Span& a_span, const SpanFolders& folders, const std::string& attempt,
                       CommitSpan commit)
    : tools(a_tools),
      span(a_span),
      commit_span(std::move(commit)),
      positions(PositionsOf(tools.schema.layout, a_span)) {
  file.emplace(tools.schema, folders, a_span, attempt);
  if (HasOrder(tools.schema)) sample_ids = SamplesAt(tools, a_span.epoch, positions);
}

SpanLabels::Impl::Impl(SpanTools& a_tools, std::function<void(const LabelBatch&)> commit)
    : tools(a_tools),
      commit_calibration(std::move(commit)),
      positions(CalibrationPositions(tools.schema)),
      sample_ids(SamplesAt(tools, 0, positions)) {}

std::string SpanLabels::Impl::Place() const {
  if (!span) return "calibration";
  return fmt::format("span {}, from position {} of epoch {}", span->index, positions.front() + num_put, span->epoch);
}

void SpanLabels::Impl::RequireRoom(size_t num_samples) const {
  const size_t num_left = positions.size() - num_put;
  if (num_samples <= num_left) return;
  Fail(ErrorCode::kInvalidArgument, "{}: expected labels of at most {} samples, found {}", Place(), num_left,
       num_samples);
}

// Refuses now what the codec would refuse when the chunk is full.
void SpanLabels::Impl::Check(const LabelBatch& labels) const {
  try {
    tools.codec.Quantise(labels);
  } catch (const Error& error) {
    Fail(error.code(), "{}: {}", Place(), error.what());
  }
}

void SpanLabels::Impl::RequireColumns(size_t num_rows, const RowColumns& columns) const {
  const CodecParams& params = tools.schema.codec;
  const auto require = [&](const char* what, size_t expected, size_t found) {
    if (found == expected) return;
    Fail(ErrorCode::kInvalidArgument, "{}: expected {} {}, found {}", Place(), expected, what, found);
  };
  const size_t num_samples = params.windows ? columns.window_sizes.size() : num_rows;
  require("true classes", params.true_label ? num_rows : 0, columns.true_classes.size());
  require("fingerprints of views", params.view_fingerprints ? num_samples : 0, columns.view_fingerprints.size());
  require("hashes of windows", params.windows ? num_samples : 0, columns.window_hashes.size());
  if (!columns.token_positions.empty()) require("positions of tokens", num_rows, columns.token_positions.size());
  if (!params.windows) {
    require("sizes of windows", 0, columns.window_sizes.size());
    return;
  }
  require("rows by the sizes of the windows",
          std::accumulate(columns.window_sizes.begin(), columns.window_sizes.end(), size_t{0}), num_rows);
}

// Fills `selected`.
void SpanLabels::Impl::Select(std::span<const float> logits, const RowColumns& columns) {
  const CodecParams& params = tools.schema.codec;
  if (logits.size() % params.num_classes != 0) {
    Fail(ErrorCode::kInvalidArgument, "{}: {} logits are not rows of {} classes", Place(), logits.size(),
         params.num_classes);
  }
  const size_t num_rows = logits.size() / params.num_classes;
  RequireColumns(num_rows, columns);
  RequireRoom(params.windows ? columns.window_sizes.size() : num_rows);
  selected.Clear();
  size_t window = 0, window_begin = 0;
  for (size_t row = 0; row < num_rows; ++row) {
    while (params.windows && row == window_begin + columns.window_sizes[window]) {
      window_begin += columns.window_sizes[window++];
    }
    SelectedView view = {.epoch = span ? span->epoch : 0};
    if (params.windows) view.position = static_cast<uint32_t>(row - window_begin);
    if (!columns.token_positions.empty()) view.position = columns.token_positions[row];
    if (!sample_ids.empty()) view.sample_id = sample_ids[num_put + (params.windows ? window : row)];
    if (params.true_label) view.true_class = columns.true_classes[row];
    try {
      tools.selector.Append(logits.subspan(row * params.num_classes, params.num_classes), view, &selected);
    } catch (const Error& error) {
      Fail(error.code(), "{}: row {}: {}", Place(), row, error.what());
    }
  }
  for (const uint32_t size : columns.window_sizes) {
    selected.window_offsets.push_back(selected.window_offsets.back() + size);
  }
  selected.window_hashes.assign(columns.window_hashes.begin(), columns.window_hashes.end());
  selected.view_fingerprints.assign(columns.view_fingerprints.begin(), columns.view_fingerprints.end());
}

void SpanLabels::Impl::Take(const LabelBatch& labels, size_t num_samples) {
  const uint32_t chunk_size = tools.schema.layout.chunk_size;
  for (size_t taken = 0; taken < num_samples;) {
    const size_t chunk_end =
        file ? std::min<size_t>((num_put / chunk_size + 1) * chunk_size, positions.size()) : positions.size();
    const size_t count = std::min(chunk_end - num_put, num_samples - taken);
    chunk.AppendSamples(labels, taken, taken + count);
    taken += count;
    num_put += count;
    if (!file || num_put < chunk_end) continue;
    file->AddChunk(chunk);
    chunk.Clear();
  }
}

SpanLabels::SpanLabels(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SpanLabels::~SpanLabels() = default;
SpanLabels::SpanLabels(SpanLabels&&) noexcept = default;
SpanLabels& SpanLabels::operator=(SpanLabels&&) noexcept = default;

uint32_t SpanLabels::epoch() const {
  return impl_->span ? impl_->span->epoch : 0;
}

const std::vector<uint64_t>& SpanLabels::positions() const {
  return impl_->positions;
}

const std::vector<uint64_t>& SpanLabels::sample_ids() const {
  return impl_->sample_ids;
}

uint64_t SpanLabels::num_put() const {
  return impl_->num_put;
}

void SpanLabels::PutLogits(std::span<const float> logits, const RowColumns& columns) {
  Impl& self = *impl_;
  self.Select(logits, columns);
  if (self.tools.schema.codec.values != Values::kLogProbs) self.Check(self.selected);
  self.Take(self.selected, self.tools.schema.codec.windows ? columns.window_sizes.size() : self.selected.size());
}

void SpanLabels::Put(const LabelBatch& labels) {
  Impl& self = *impl_;
  const size_t num_samples = self.tools.schema.codec.windows ? labels.window_hashes.size() : labels.size();
  self.RequireRoom(num_samples);
  self.Check(labels);
  self.Take(labels, num_samples);
}

void SpanLabels::Commit() {
  Impl& self = *impl_;
  if (self.num_put < self.positions.size()) {
    const std::string place =
        self.span ? fmt::format("span {} of epoch {}", self.span->index, self.span->epoch) : self.Place();
    Fail(ErrorCode::kInvalidArgument, "{}: expected labels of {} samples, found {}", place, self.positions.size(),
         self.num_put);
  }
  if (self.file) {
    self.commit_span([&self] { return self.file->Finish(); });
  } else {
    self.commit_calibration(self.chunk);
  }
}

}  // namespace decant
