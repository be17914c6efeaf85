#include "decant/store/span_writer.h"

#include <algorithm>

#include <rocksdb/sst_file_writer.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/record.h"

#include "rocksdb_util.h"

namespace decant {

struct SpanWriter::Impl {
  Impl(const Schema& a_schema, const std::string& store_path, const Span& a_span, const std::string& attempt)
      : schema(a_schema),
        span(a_span),
        codec(MakeCodec(a_schema)),
        directory(StagingPath(store_path)),
        path(fmt::format("{}/span-{:06}-{}.sst", directory, a_span.index, attempt)),
        file(rocksdb::EnvOptions(), StoreOptions()),
        next_chunk(a_span.chunk_begin) {}

  void Put(const std::string& key, const std::string& value) { CheckStatus(file.Put(key, value), "write", path); }

  const Schema& schema;
  const Span span;
  const ChunkCodec codec;
  const std::string directory;
  const std::string path;
  rocksdb::SstFileWriter file;
  uint64_t next_chunk;
  SpanTrailer trailer;
  Xxh3Stream content;
  bool finished = false;
};

CodecTables ReadStagedTables(const std::string& store_path, const CodecParams& params) {
  const std::string path = StagedTablesPath(store_path);
  const std::string record = ReadFile(path);
  return ParseTables(params, UnwrapRecord(RecordMagic::kTables, record, path));
}

SpanWriter::SpanWriter(const Schema& schema, const std::string& store_path, const Span& span,
                       const std::string& attempt)
    : impl_(std::make_unique<Impl>(schema, store_path, span, attempt)) {
  CheckStatus(impl_->file.Open(impl_->path), "create", impl_->path);
}

SpanWriter::~SpanWriter() {
  if (!impl_->finished) ::unlink(impl_->path.c_str());
}

void SpanWriter::AddChunk(const LabelBatch& labels) {
  Impl& self = *impl_;
  if (self.next_chunk == self.span.chunk_end) {
    Fail(ErrorCode::kInvalidArgument, "span {} has no chunk {}", self.span.index, self.next_chunk);
  }
  const ChunkPlace place = {.epoch = self.span.epoch,
                            .chunk = self.next_chunk,
                            .num_samples = self.schema.layout.ChunkLabels(self.next_chunk)};
  const size_t num_samples = self.schema.codec.windows ? labels.window_hashes.size() : labels.size();
  if (num_samples != place.num_samples) {
    Fail(ErrorCode::kInvalidArgument, "chunk {} of epoch {}: expected labels of {} samples, found {}", place.chunk,
         place.epoch, place.num_samples, num_samples);
  }
  std::vector<double> divergences;
  const LabelCodes codes = self.codec.Quantise(labels, &divergences);
  for (const double kl : divergences) {
    self.trailer.kl_sum += kl;
    self.trailer.kl_max = std::max(self.trailer.kl_max, kl);
  }
  UpdateContentDigest(place, codes, &self.content);
  const std::string record = self.codec.Encode(place, codes);
  self.Put(ChunkKey(place.epoch, place.chunk), record);
  self.trailer.num_labels += labels.size();
  self.trailer.num_entries += labels.num_entries();
  self.trailer.chunk_bytes += record.size();
  ++self.next_chunk;
}

SpanFile SpanWriter::Finish() {
  Impl& self = *impl_;
  if (self.next_chunk != self.span.chunk_end) {
    Fail(ErrorCode::kInvalidArgument, "span {}: finished at chunk {}, expected {}", self.span.index, self.next_chunk,
         self.span.chunk_end);
  }
  self.trailer.span = self.span.index;
  self.trailer.content_digest = self.content.Digest();
  self.Put(TrailerKey(self.span), EncodeTrailer(self.trailer));
  rocksdb::ExternalSstFileInfo info;
  CheckStatus(self.file.Finish(&info), "finish", self.path);  // fsyncs the file
  SyncDirectory(self.directory);
  self.finished = true;
  return {.path = self.path, .file_bytes = info.file_size, .trailer = self.trailer};
}

}  // namespace decant
