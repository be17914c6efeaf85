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

// Where span files are made.
struct SpanFolders {
  std::string staging;  // of the store's writer: StoreWriter::staging_path()
  std::string scratch;  // a folder of this machine, where a file is written first; empty: in the staging folder
};

// The staging folder of the writer that came last to the store at `store_path`. kNotFound when there was none.
SpanFolders FoldersOf(const std::string& store_path);

// The codec tables that the store's writer left in its staging folder.
CodecTables ReadStagedTables(const std::string& staging, const CodecParams& params);

// Writes the labels of one span as one sorted file, the last key of which is the span's ledger entry. Not thread-safe.
class SpanWriter {
 public:
  // The file is named after the span and `attempt`, a word that no other writer of this span uses. `schema` must
  // outlive the writer.
  SpanWriter(const Schema& schema, const SpanFolders& folders, const Span& span, const std::string& attempt);
  SpanWriter(const Schema& schema, const std::string& store_path, const Span& span, const std::string& attempt)
      : SpanWriter(schema, FoldersOf(store_path), span, attempt) {}
  // Removes the file unless Finish() succeeded.
  ~SpanWriter();
  SpanWriter(const SpanWriter&) = delete;
  SpanWriter& operator=(const SpanWriter&) = delete;

  // The labels of the span's next chunk, in the order of their positions. kInvalidArgument for labels that the codec
  // refuses or a wrong number of them; kExhausted when the disk is full.
  void AddChunk(const LabelBatch& labels);
  // The same as codes of exact values, of which the codec's Quantise() could give each; a label's entries in any order.
  void AddCodes(LabelCodes codes);
  // After the last chunk: writes the trailer, fsyncs the file, gives it its name in the staging folder, and fsyncs
  // that.
  SpanFile Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
