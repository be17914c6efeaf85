#include "decant/producer/span_labeller.h"

#include <span>

#include "decant/base/error.h"

namespace decant {

SpanLabeller::SpanLabeller(const Schema& schema, const ViewRenderer& views, Teacher& teacher, std::string store_path,
                           std::string attempt)
    : schema_(schema),
      views_(views),
      teacher_(teacher),
      store_path_(std::move(store_path)),
      attempt_(std::move(attempt)),
      selector_(schema.codec.num_classes, schema.codec.k, schema.codec.temperatures.front()) {}

SpanFile SpanLabeller::Label(uint64_t span_index) {
  const Span span = schema_.layout.SpanAt(span_index);
  SpanWriter writer(schema_, store_path_, span, attempt_);
  LabelBatch labels;
  for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
    labels.Clear();
    LabelPositions(span.epoch, chunk * schema_.layout.chunk_size, schema_.layout.ChunkLabels(chunk), &labels);
    writer.AddChunk(labels);
  }
  return writer.Finish();
}

void SpanLabeller::LabelPositions(uint32_t epoch, uint64_t position, size_t count, LabelBatch* labels) {
  const size_t image_bytes = views_.source().image_shape().num_bytes();
  const Order order = views_.OrderOf(epoch);
  images_.resize(count * image_bytes);
  for (size_t i = 0; i < count; ++i) {
    views_.Render(views_.ViewAt(order, epoch, position + i), epoch, images_.data() + i * image_bytes);
  }
  teacher_.Logits(images_.data(), count, &logits_);
  const size_t num_classes = schema_.codec.num_classes;
  for (size_t i = 0; i < count; ++i) {
    try {
      selector_.Append(std::span(logits_).subspan(i * num_classes, num_classes), labels);
    } catch (const Error& error) {
      Fail(error.code(), "the teacher's logits for sample {} in epoch {}: {}", order.SampleAt(position + i), epoch,
           error.what());
    }
  }
}

}  // namespace decant
