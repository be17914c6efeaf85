#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "decant/store/ledger.h"
#include "decant/store/schema.h"

namespace decant {

// A finished span file in the staging folder, durable, ready to be committed.
struct SpanFile {
  std::string path;
  uint64_t file_bytes = 0;
  SpanTrailer trailer;
};

// The codec tables of the store that is being written at `store_path`. kNotFound when nobody is writing there.
CodecTables ReadStagedTables(const std::string& store_path, const CodecParams& params);

// Writes the labels of one span as one sorted file, the last key of which is the span's ledger entry. Not thread-safe.
class SpanWriter {
 public:
  // The file is named after the span and `attempt`, a word that no other writer of this span uses. `schema` must
  // outlive the writer.
  SpanWriter(const Schema& schema, const std::string& store_path, const Span& span, const std::string& attempt);
  // Removes the file unless Finish() succeeded.
  ~SpanWriter();
  SpanWriter(const SpanWriter&) = delete;
  SpanWriter& operator=(const SpanWriter&) = delete;

  // The labels of the span's next chunk, in the order of their positions. kInvalidArgument for labels that the codec
  // refuses or a wrong number of them; kExhausted when the disk is full.
  void AddChunk(const LabelBatch& labels);
  // After the last chunk: writes the trailer, fsyncs the file and its directory.
  SpanFile Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
