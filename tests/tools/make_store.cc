// A stand-in for `decant produce` that needs no teacher: writes stores of labels that are a function of their place,
// and checks that a store holds those labels. For tests that kill it.
//
//   make_store write STORE EPOCHS SAMPLES [PART PARTS [LEASE_SECONDS]]
//                                                        labels what is missing (of the spans with span mod PARTS =
//                                                        PART), prints "committed SPAN" after each commit, seals
//   make_store read STORE [LOG]                          reads all committed labels; spans "committed" in LOG must be

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "decant/base/error.h"
#include "decant/store/store_reader.h"
#include "decant/store/store_writer.h"

#include "unit/store_maker.h"

namespace decant {
namespace {

Schema SyntheticSchema(uint32_t num_epochs, uint64_t num_samples) {
  Schema schema = SmallSchema(num_epochs);
  schema.layout = {.num_samples = num_samples, .num_epochs = num_epochs, .chunk_size = 64, .span_chunks = 2};
  schema.codec.num_classes = 100;
  schema.codec.k = 10;
  schema.tables = std::make_shared<CodecTables>(DefaultTables(schema.codec));
  return schema;
}

void Write(const std::string& path, const Schema& schema, uint64_t part, uint64_t parts, double lease_seconds) {
  StoreWriter writer(path, schema, {}, {.lease_seconds = lease_seconds});
  for (const uint64_t span : writer.MissingSpans()) {
    if (span % parts != part) continue;
    writer.Commit({WriteSpan(schema, SpanFolders{.staging = writer.staging_path(), .scratch = ""}, span)});
    fmt::print("committed {}\n", span);
    std::fflush(stdout);
  }
  if (writer.MissingSpans().empty()) fmt::print("sealed {}\n", writer.Seal());
}

void Read(const std::string& path, const std::string& log) {
  const StoreReader reader(path);
  const Schema& schema = reader.schema();
  uint64_t labels_read = 0;
  for (uint64_t index = 0; index < schema.layout.num_spans(); ++index) {
    const Span span = schema.layout.SpanAt(index);
    if (!reader.ledger()[index] || reader.expired(span.epoch)) continue;
    for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
      LabelBatch labels;
      reader.ReadChunk(span.epoch, chunk, &labels);
      if (!SameLabels(labels, StoredLabelsOfChunk(schema, span.epoch, chunk))) {
        Fail(ErrorCode::kDataLoss, "chunk {} of epoch {} holds other labels than were written", chunk, span.epoch);
      }
      labels_read += labels.size();
    }
  }
  std::ifstream lines(log);
  std::string word;
  for (uint64_t span = 0; lines >> word;) {
    if (word != "committed" || !(lines >> span)) continue;
    if (!reader.ledger()[span]) Fail(ErrorCode::kDataLoss, "span {} was committed, and is lost", span);
  }
  fmt::print("{} spans, {} labels\n", reader.num_committed_spans(), labels_read);
}

int Main(const std::vector<std::string>& args) {
  try {
    if (args.size() >= 4 && args[0] == "write") {
      const bool in_parts = args.size() >= 6;
      Write(args[1], SyntheticSchema(static_cast<uint32_t>(std::stoul(args[2])), std::stoull(args[3])),
            in_parts ? std::stoull(args[4]) : 0, in_parts ? std::stoull(args[5]) : 1,
            args.size() > 6 ? std::stod(args[6]) : WriterOptions().lease_seconds);
      return 0;
    }
    if (args.size() >= 2 && args[0] == "read") {
      Read(args[1], args.size() > 2 ? args[2] : "");
      return 0;
    }
    fmt::print(stderr,
               "make_store write STORE EPOCHS SAMPLES [PART PARTS [LEASE_SECONDS]] | make_store read STORE [LOG]\n");
    return 2;
  } catch (const Error& error) {
    fmt::print(stderr, "make_store: {}\n", error.what());
    return error.code() == ErrorCode::kExhausted ? 6 : 1;
  }
}

}  // namespace
}  // namespace decant

int main(int argc, char** argv) {
  return decant::Main({argv + 1, argv + argc});
}
