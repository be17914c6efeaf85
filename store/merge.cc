#include "decant/store/merge.h"

#include <filesystem>
#include <memory>

#include "decant/base/error.h"
#include "decant/store/store_reader.h"

#include "assemble.h"
#include "key_records.h"
#include "span_files.h"
#include "store_records.h"

namespace decant {
namespace {

// A store as a collection of files.
struct Source {
  explicit Source(const std::string& a_path) : path(a_path) {
    const StoreReader checked(path);  // is there, has a schema, is not a damaged sealed store
    OpenForReading(path, /*tolerant=*/false, &database);
    schema = ReadSchema(database, path).value();
    expired = ReadExpiredEpochs(database, schema.layout, path);
    ledger = ReadLedger(database, schema.layout, expired, path);
    files = LiveSpanFiles(database, schema.layout);
    key_records = ReadKeyRecords(database, path);
  }
  // Its labels are here: committed and not expired.
  bool Holds(const Span& span) const { return ledger[span.index] && !expired.contains(span.epoch); }

  std::string path;
  Database database;
  Schema schema;
  ExpiredEpochs expired;
  Ledger ledger;
  std::map<uint64_t, LiveSpanFile> files;
  std::vector<std::string> key_records;
};
using Sources = std::vector<std::unique_ptr<Source>>;

void RefuseOtherSchemas(const Sources& sources) {
  for (const auto& source : sources) {
    std::string text;
    for (const SchemaDifference& field : CompareSchemas(sources[0]->schema, source->schema)) {
      text += fmt::format("; {}: {} and {}", field.field, field.expected, field.found);
    }
    if (!text.empty()) {
      Fail(ErrorCode::kMismatch, "{} and {} are not parts of one store{}", sources[0]->path, source->path, text);
    }
  }
}

void RefuseOtherContent(const Sources& sources, const Span& span) {
  const Source* first = nullptr;
  for (const auto& source : sources) {
    const auto& trailer = source->ledger[span.index];
    if (!trailer) continue;
    if (first == nullptr) first = source.get();
    const Digest128& expected = first->ledger[span.index]->content_digest;
    if (trailer->content_digest == expected) continue;
    Fail(ErrorCode::kMismatch,
         "span {} (chunks {} to {} of epoch {}) differs: its content digest is {} in {} and {} in {}; leave one of the "
         "stores out",
         span.index, span.chunk_begin, span.chunk_end - 1, span.epoch, Hex(expected), first->path,
         Hex(trailer->content_digest), source->path);
  }
}

// The epoch from the stores that have its labels; else, when it has expired in one of them, its ledger entries.
void TakeEpoch(const Sources& sources, uint32_t epoch, ExpiredEpochs* expired, std::vector<SpanSource>* spans) {
  const Layout& layout = sources[0]->schema.layout;
  std::vector<SpanSource> found;
  for (uint64_t i = 0; i < layout.spans_per_epoch(); ++i) {
    const Span span = layout.SpanAt(epoch * layout.spans_per_epoch() + i);
    RefuseOtherContent(sources, span);
    for (const auto& source : sources) {
      if (!source->Holds(span)) continue;
      found.push_back({source->files.at(span.index).path, *source->ledger[span.index]});
      break;
    }
  }
  if (found.size() < layout.spans_per_epoch()) {
    for (const auto& source : sources) {
      if (!source->expired.contains(epoch)) continue;
      expired->emplace(epoch, source->expired.at(epoch));
      return;
    }
  }
  spans->insert(spans->end(), found.begin(), found.end());
}

MergeReport WriteStore(const std::string& out, const Schema& schema, const ExpiredEpochs& expired,
                       const std::vector<SpanSource>& spans, const std::vector<std::string>& key_records) {
  StoreWriter writer(out, schema);
  writer.PutSampleKeys(key_records);
  for (const auto& [epoch, trailers] : expired) writer.AddExpired(epoch, trailers);
  MergeReport report;
  const uint64_t before = writer.num_committed();
  CommitLinked(spans, &writer);
  report.num_spans = schema.layout.num_spans();
  report.num_committed = writer.num_committed();
  report.num_linked = report.num_committed - before;
  if (writer.MissingSpans().empty()) report.digest = writer.Seal();
  return report;
}

bool IsStore(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(DatabasePath(path) + "/CURRENT", error);
}

void RefuseItself(const std::string& out, const std::string& source) {
  std::error_code error;
  if (std::filesystem::equivalent(out, source, error)) {
    Fail(ErrorCode::kInvalidArgument, "{} is source and result at once; name another store for the result", out);
  }
}

}  // namespace

MergeReport MergeStores(const std::string& out, const std::vector<std::string>& sources) {
  if (sources.empty()) Fail(ErrorCode::kInvalidArgument, "name the stores to merge");
  Sources opened;
  for (const std::string& path : sources) {
    RefuseItself(out, path);
    opened.push_back(std::make_unique<Source>(path));
  }
  const Schema schema = opened[0]->schema;
  RefuseOtherSchemas(opened);
  if (IsStore(out)) {  // what it has already must agree, too
    StoreWriter(out, schema);
    opened.insert(opened.begin(), std::make_unique<Source>(out));
  }
  ExpiredEpochs expired;
  std::vector<SpanSource> spans;
  for (uint32_t epoch = 0; epoch < schema.layout.num_epochs; ++epoch) TakeEpoch(opened, epoch, &expired, &spans);
  return WriteStore(out, schema, expired, spans, opened.back()->key_records);
}

MergeReport ExtractStore(const std::string& out, const std::string& source, uint32_t epoch_begin, uint32_t epoch_end) {
  RefuseItself(out, source);
  const Source from(source);
  const Layout& layout = from.schema.layout;
  if (epoch_begin >= epoch_end || epoch_end > layout.num_epochs) {
    Fail(ErrorCode::kInvalidArgument, "{}: epochs {}:{}: the store has the epochs 0:{}", source, epoch_begin, epoch_end,
         layout.num_epochs);
  }
  Schema schema = from.schema;
  schema.layout.num_epochs = epoch_end;
  ExpiredEpochs left_out;
  std::vector<SpanSource> spans;
  for (uint64_t index = 0; index < schema.layout.num_spans(); ++index) {
    const Span span = layout.SpanAt(index);
    const auto& trailer = from.ledger[index];
    if (!trailer) {
      Fail(ErrorCode::kNotFound, "{}: epoch {} is not labelled yet: span {} is missing", source, span.epoch, index);
    }
    if (span.epoch < epoch_begin) {
      left_out[span.epoch].push_back(*trailer);
    } else if (from.Holds(span)) {
      spans.push_back({from.files.at(index).path, *trailer});
    } else {
      Fail(ErrorCode::kNotFound, "{}: epoch {} has expired: its labels were deleted", source, span.epoch);
    }
  }
  return WriteStore(out, schema, left_out, spans, from.key_records);
}

}  // namespace decant
