#include "decant/producer/span_labeller.h"

#include <algorithm>
#include <numeric>

#include "decant/base/error.h"

namespace decant {

SpanLabeller::SpanLabeller(const Schema& schema, const ViewRenderer& views, Teacher& teacher, std::string store_path,
                           std::string attempt)
    : schema_(schema),
      views_(views),
      teacher_(teacher),
      store_path_(std::move(store_path)),
      attempt_(std::move(attempt)),
      selector_(schema.codec, schema.selection, schema.seed) {}

SpanFile SpanLabeller::Label(uint64_t span_index) {
  const Span span = schema_.layout.SpanAt(span_index);
  if (!schema_.tables) {
    schema_.tables = std::make_shared<CodecTables>(ReadStagedTables(store_path_, schema_.codec));
  }
  SpanWriter writer(schema_, store_path_, span, attempt_);
  LabelBatch labels;
  for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
    labels.Clear();
    LabelPositions(span.epoch, chunk * schema_.layout.chunk_size, schema_.layout.ChunkSamples(chunk), &labels);
    writer.AddChunk(labels);
  }
  return writer.Finish();
}

CodecTables SpanLabeller::LearnCodecTables() {
  const uint64_t num_samples = schema_.layout.num_samples;
  const uint64_t count = std::min<uint64_t>(schema_.calibration.num_labels, num_samples);
  constexpr uint64_t kAtOnce = 256;
  LabelBatch labels;
  std::vector<uint64_t> positions;
  for (uint64_t i = 0; i < count; ++i) {
    positions.push_back(i * (num_samples / count));
    if (positions.size() < kAtOnce && i + 1 < count) continue;
    LabelPositions(0, positions, &labels);
    positions.clear();
  }
  return LearnTables(schema_.codec, labels, schema_.calibration.prior);
}

void SpanLabeller::LabelPositions(uint32_t epoch, uint64_t position, size_t count, LabelBatch* labels) {
  std::vector<uint64_t> positions(count);
  std::iota(positions.begin(), positions.end(), position);
  LabelPositions(epoch, positions, labels);
}

void SpanLabeller::LabelPositions(uint32_t epoch, std::span<const uint64_t> positions, LabelBatch* labels) {
  const size_t count = positions.size();
  const size_t image_bytes = views_.shape().num_bytes();
  const Order order = views_.OrderOf(epoch);
  images_.resize(count * image_bytes);
  for (size_t i = 0; i < count; ++i) {
    views_.Render(views_.ViewAt(order, epoch, positions[i]), epoch, images_.data() + i * image_bytes);
  }
  teacher_.Logits(images_.data(), count, &logits_);
  const size_t num_classes = schema_.codec.num_classes;
  for (size_t i = 0; i < count; ++i) {
    try {
      const uint64_t sample = order.SampleAt(positions[i]);
      const SelectedView view = {.epoch = epoch, .sample_id = sample, .true_class = views_.source().Label(sample)};
      selector_.Append(std::span(logits_).subspan(i * num_classes, num_classes), view, labels);
    } catch (const Error& error) {
      Fail(error.code(), "the teacher's logits for sample {} in epoch {}: {}", order.SampleAt(positions[i]), epoch,
           error.what());
    }
  }
}

}  // namespace decant
