// Writes a small store and streams it, with the installed headers and libraries alone.
#include <cstdio>
#include <memory>

#include <decant/consumer/stream.h>
#include <decant/store/store_writer.h>

int main(int, char** argv) {
  decant::Schema schema;
  schema.layout = {.num_samples = 10, .num_epochs = 1, .chunk_size = 4, .span_chunks = 8};
  schema.codec = {.num_classes = 5, .k = 1, .delta = 0.125};
  schema.order = decant::OrderIdentity(decant::OrderKind::kGlobal);
  {
    decant::StoreWriter store(argv[1], schema);
    for (const uint64_t index : store.MissingSpans()) {
      const decant::Span span = schema.layout.SpanAt(index);
      decant::SpanWriter writer(schema, argv[1], span, "client");
      for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
        decant::LabelBatch labels;
        for (uint32_t i = 0; i < schema.layout.ChunkSamples(chunk); ++i) {
          labels.Append(std::vector{i % 5}, std::vector{-0.5f}, 0.39346934f);
        }
        writer.AddChunk(labels);
      }
      store.Commit({writer.Finish()});
    }
    store.Seal();
  }
  const auto store = std::make_shared<decant::StoreReader>(argv[1]);
  decant::Stream stream(std::make_shared<decant::StoreSet>(store), {.batch_size = 4});
  size_t num_labels = 0;
  for (decant::StreamBatch batch; stream.Next(&batch);) num_labels += batch.labels.size();
  std::printf("%zu labels\n", num_labels);
  return num_labels == 10 ? 0 : 1;
}
