#include "decant/store/span_writer.h"

#include <algorithm>

#include <rocksdb/sst_file_writer.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/record.h"

#include "rocksdb_util.h"
#include "span_files.h"

namespace decant {

struct SpanWriter::Impl {
  Impl(const Schema& a_schema, const SpanFolders& folders, const Span& a_span, const std::string& attempt)
      : schema(a_schema),
        span(a_span),
        codec(MakeCodec(a_schema)),
        staging(folders.staging),
        final_path(fmt::format("{}/{}", staging, SpanFileName(a_span.index, attempt))),
        path(fmt::format("{}/{}{}", folders.scratch.empty() ? staging : folders.scratch,
                         SpanFileName(a_span.index, attempt), kPartialSuffix)),
        file(rocksdb::EnvOptions(), StoreOptions()),
        next_chunk(a_span.chunk_begin) {}

  void Add(const LabelCodes& codes);
  void Put(const std::string& key, const std::string& value) { CheckStatus(file.Put(key, value), "write", path); }

  const Schema& schema;
  const Span span;
  const ChunkCodec codec;
  const std::string staging;
  const std::string final_path;
  const std::string path;  // until it is finished
  rocksdb::SstFileWriter file;
  uint64_t next_chunk;
  SpanTrailer trailer;
  Xxh3Stream content;
  bool finished = false;
};

SpanFolders FoldersOf(const std::string& store_path) {
  return {.staging = NewestStagingPath(store_path), .scratch = ""};
}

CodecTables ReadStagedTables(const std::string& staging, const CodecParams& params) {
  const std::string path = StagedTablesPath(staging);
  const std::string record = ReadFile(path);
  return ParseTables(params, UnwrapRecord(RecordMagic::kTables, record, path));
}

SpanWriter::SpanWriter(const Schema& schema, const SpanFolders& folders, const Span& span, const std::string& attempt)
    : impl_(std::make_unique<Impl>(schema, folders, span, attempt)) {
  CheckStatus(impl_->file.Open(impl_->path), "create", impl_->path);
}

SpanWriter::~SpanWriter() {
  if (!impl_->finished) ::unlink(impl_->path.c_str());
}

// Writes the next chunk.
void SpanWriter::Impl::Add(const LabelCodes& codes) {
  if (next_chunk == span.chunk_end) {
    Fail(ErrorCode::kInvalidArgument, "span {} has no chunk {}", span.index, next_chunk);
  }
  const ChunkPlace place = {
      .epoch = span.epoch, .chunk = next_chunk, .num_samples = schema.layout.ChunkSamples(next_chunk)};
  const size_t num_samples = schema.codec.windows ? codes.window_hashes.size() : codes.size();
  if (num_samples != place.num_samples) {
    Fail(ErrorCode::kInvalidArgument, "chunk {} of epoch {}: expected labels of {} samples, found {}", place.chunk,
         place.epoch, place.num_samples, num_samples);
  }
  UpdateContentDigest(place, codes, &content);
  const std::string record = codec.Encode(place, codes);
  Put(ChunkKey(place.epoch, place.chunk), record);
  trailer.num_labels += codes.size();
  trailer.num_entries += codes.ids.size();
  trailer.chunk_bytes += record.size();
  ++next_chunk;
}

void SpanWriter::AddChunk(const LabelBatch& labels) {
  Impl& self = *impl_;
  std::vector<double> divergences;
  self.Add(self.codec.Quantise(labels, &divergences));
  for (const double kl : divergences) {
    self.trailer.kl_sum += kl;
    self.trailer.kl_max = std::max(self.trailer.kl_max, kl);
  }
}

void SpanWriter::AddCodes(LabelCodes codes) {
  impl_->codec.SortEntries(&codes);
  impl_->Add(codes);
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
  MoveFile(self.path, self.final_path);
  self.finished = true;
  return {.path = self.final_path, .file_bytes = info.file_size, .trailer = self.trailer};
}

}  // namespace decant
