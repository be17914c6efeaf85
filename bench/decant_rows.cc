#include "decant_rows.h"

#include <algorithm>

#include "decant/store/span_writer.h"
#include "decant/store/store_writer.h"

namespace decant {

void DecantRows::Write(const CycledLabels& labels, uint64_t num_labels, const std::function<void(uint64_t)>& progress) {
  Schema schema;
  schema.layout = {
      .num_samples = num_labels, .num_epochs = 1, .chunk_size = chunk_size_, .span_chunks = shape_.span_chunks};
  schema.codec = {.num_classes = shape_.num_classes, .k = shape_.k, .delta = 1.0 / 16};
  constexpr uint64_t kCalibrationLabels = 8192;
  LabelBatch calibration;
  labels.Append(0, std::min(kCalibrationLabels, num_labels), &calibration);
  schema.tables = std::make_shared<CodecTables>(LearnTables(schema.codec, calibration, Prior::kLearnt));
  StoreWriter writer(path_, schema);
  LabelBatch chunk_labels;
  for (const uint64_t index : writer.MissingSpans()) {
    const Span span = schema.layout.SpanAt(index);
    SpanWriter span_writer(schema, path_, span, "bench");
    for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
      const uint64_t begin = chunk * chunk_size_;
      chunk_labels.Clear();
      labels.Append(begin, begin + schema.layout.ChunkSamples(chunk), &chunk_labels);
      span_writer.AddChunk(chunk_labels);
    }
    writer.Commit({span_writer.Finish()});
    progress(std::min(span.chunk_end * chunk_size_, num_labels));
  }
  writer.Seal();
}

std::unique_ptr<LabelRows> MakeDecantRows(const std::string& directory, const RowShape& shape) {
  return std::make_unique<DecantRows>(directory, shape);
}

}  // namespace decant
