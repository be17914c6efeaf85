#include "importer.h"

#include <algorithm>
#include <optional>

#include <unistd.h>

#include "decant/base/error.h"
#include "decant/data/order.h"
#include "decant/store/store_writer.h"

namespace decant {

Schema ImportedSchema(const std::string& kind, uint64_t num_samples, uint32_t num_epochs) {
  Schema schema;
  schema.layout = {.num_samples = num_samples, .num_epochs = num_epochs, .chunk_size = 1024, .span_chunks = 64};
  schema.calibration.num_labels = static_cast<uint32_t>(std::min(num_samples, kCalibrationLabels));
  schema.dataset = {{"kind", kind}, {"num_samples", num_samples}};
  schema.order = OrderIdentity(OrderKind::kDataset);
  schema.views = {{"kind", kind}};
  schema.teacher = {{"kind", kind}};
  return schema;
}

ImportReport WriteImport(const std::string& out, const Schema& schema, const SampleKeys& keys,
                         const ImportSource& source) {
  StoreWriter writer(out, schema, source.calibrate);
  writer.PutSampleKeys(EncodeSampleKeys(keys));
  const Layout& layout = schema.layout;
  std::optional<uint32_t> epoch;
  for (const uint64_t index : writer.MissingSpans()) {
    const Span span = layout.SpanAt(index);
    if (epoch != span.epoch) source.begin_epoch(span.epoch);
    epoch = span.epoch;
    SpanWriter span_writer(writer.schema(), out, span, fmt::format("import-{}", ::getpid()));
    for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
      const uint64_t begin = chunk * layout.chunk_size;
      source.add_chunk(begin, begin + layout.ChunkSamples(chunk), &span_writer);
    }
    writer.Commit({span_writer.Finish()});
  }
  ImportReport report = {.num_samples = layout.num_samples, .num_epochs = layout.num_epochs};
  report.digest = writer.Seal();
  const StoreReader reader(out);
  for (const auto& trailer : reader.ledger()) report.num_labels += trailer->num_labels;
  return report;
}

}  // namespace decant
