#pragma once

#include <functional>
#include <string>

#include "decant/exchange/exchange.h"
#include "decant/store/sample_keys.h"
#include "decant/store/schema.h"
#include "decant/store/span_writer.h"

namespace decant {

// Labels of the samples that codec tables are learnt from: so many from the first on.
inline constexpr uint64_t kCalibrationLabels = 8192;

// The layout, order and identity of imported labels: `kind` names the format.
Schema ImportedSchema(const std::string& kind, uint64_t num_samples, uint32_t num_epochs);

// The parts of an import that formats differ in.
struct ImportSource {
  std::function<CodecTables()> calibrate;
  std::function<void(uint32_t epoch)> begin_epoch;
  // Gives the writer the labels of a span's samples [begin, end), one chunk.
  std::function<void(uint64_t begin, uint64_t end, SpanWriter* writer)> add_chunk;
};
// Writes and seals the store, or goes on with it.
ImportReport WriteImport(const std::string& out, const Schema& schema, const SampleKeys& keys,
                         const ImportSource& source);

}  // namespace decant
