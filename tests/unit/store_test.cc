#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decant/base/file.h"
#include "decant/store/store_reader.h"
#include "decant/store/store_writer.h"
#include "decant/store/verify.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class StoreTest : public testing::Test {
 protected:
  void ExpectWholeContent(const StoreReader& reader) {
    const Layout& layout = schema_.layout;
    for (uint32_t epoch = 0; epoch < layout.num_epochs; ++epoch) {
      for (uint64_t chunk = 0; chunk < layout.chunks_per_epoch(); ++chunk) {
        LabelBatch labels;
        reader.ReadChunk(epoch, chunk, &labels);
        EXPECT_TRUE(SameLabels(labels, StoredLabelsOfChunk(schema_, epoch, chunk)))
            << "chunk " << chunk << " of epoch " << epoch;
      }
    }
  }
  std::vector<std::string> NewestStagedFiles() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(FoldersOf(path_).staging))
      names.push_back(entry.path());
    return names;
  }
  std::vector<std::string> StagedFiles() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_ + "/staging")) {
      if (entry.path().extension() == ".sst") names.push_back(entry.path().filename());
    }
    return names;
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store");
  const Schema schema_ = SmallSchema();
};

TEST_F(StoreTest, NewStoreMissesEverySpan) {
  const StoreWriter writer(path_, schema_);
  EXPECT_EQ(writer.MissingSpans(), (std::vector<uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(writer.num_committed(), 0u);
}

TEST_F(StoreTest, ReadsBackSpansCommittedInAnyOrder) {
  MakeStore(path_, schema_, {4, 0, 5, 2, 1, 3});
  const StoreReader reader(path_);
  EXPECT_EQ(reader.num_committed_spans(), 6u);
  EXPECT_EQ(reader.path(), path_);
  ExpectWholeContent(reader);
}

TEST_F(StoreTest, CommitsSeveralSpansAtOnce) {
  StoreWriter writer(path_, schema_);
  writer.Commit({WriteSpan(schema_, path_, 5), WriteSpan(schema_, path_, 0)});
  EXPECT_EQ(writer.MissingSpans(), (std::vector<uint64_t>{1, 2, 3, 4}));
  EXPECT_EQ(writer.num_committed(), 2u);
  EXPECT_THAT(StagedFiles(), testing::IsEmpty());
}

// As a killed writer leaves it, where the file system cannot link.
TEST_F(StoreTest, AnUnfinishedCommitIsNotDamage) {
  const std::string copy = directory_.File("copy");
  {
    StoreWriter writer(path_, schema_);
    writer.Commit({WriteSpan(schema_, path_, 0)});
    std::filesystem::copy_file(WriteSpan(schema_, path_, 3).path, copy);
  }
  for (const uint64_t divisor : {1, 2}) {
    const std::string half_committed = path_ + "/db/000099.sst";
    std::filesystem::copy_file(copy, half_committed);
    std::filesystem::resize_file(half_committed, std::filesystem::file_size(copy) / divisor);
    EXPECT_TRUE(VerifyStore(path_, 1).sound());
    StoreWriter writer(path_, schema_);
    EXPECT_EQ(writer.StagedSpans(), std::vector<uint64_t>{3});
    EXPECT_FALSE(std::filesystem::exists(half_committed));
  }
  StoreWriter writer(path_, schema_);
  EXPECT_EQ(writer.Adopt(), std::vector<uint64_t>{3});
  EXPECT_EQ(writer.MissingSpans(), (std::vector<uint64_t>{1, 2, 4, 5}));
}

// As shared file systems keep it for a while after a writer's death.
TEST_F(StoreTest, ALockWithoutALeaseIsLeftBehind) {
  MakeStore(path_, schema_, {0});
  int locked[2], done[2];
  ASSERT_EQ(::pipe(locked) + ::pipe(done), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    flock lock{};
    lock.l_type = F_WRLCK;
    const int file = ::open((path_ + "/db/LOCK").c_str(), O_RDWR);
    char byte = ::fcntl(file, F_SETLK, &lock) == 0 ? 'y' : 'n';
    if (::write(locked[1], &byte, 1) == 1) ::close(done[1]);
    ::_exit(::read(done[0], &byte, 1) == 0 ? 0 : 1);
  }
  char byte = 0;
  EXPECT_EQ(::read(locked[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  {
    StoreWriter writer(path_, schema_);
    writer.Commit({WriteSpan(schema_, path_, 1)});
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + "/db")) << "of the lock";
  EXPECT_EQ(StoreReader(path_).num_committed_spans(), 2u);
  ::close(done[1]);
  ASSERT_EQ(::waitpid(holder, nullptr, 0), holder);
  for (const int end : {locked[0], locked[1], done[0]}) ::close(end);
}

TEST_F(StoreTest, CommitsAllSpansOrNone) {
  StoreWriter writer(path_, schema_);
  SpanFile lost = WriteSpan(schema_, path_, 1);
  std::filesystem::remove(lost.path);
  EXPECT_THROW(writer.Commit({WriteSpan(schema_, path_, 0), lost}), Error);
  EXPECT_EQ(writer.num_committed(), 0u);
  EXPECT_EQ(StoreReader(path_).num_committed_spans(), 0u);
}

TEST_F(StoreTest, ReadsSingleLabels) {
  MakeCompleteStore(path_, schema_);
  const StoreReader reader(path_);
  for (uint32_t epoch = 0; epoch < 2; ++epoch) {
    for (uint64_t position = 0; position < 22; ++position) {
      const LabelBatch chunk = StoredLabelsOfChunk(schema_, epoch, position / 4);
      LabelBatch expected, found;
      expected.AppendRange(chunk, position % 4, position % 4 + 1);
      reader.ReadLabel(epoch, position, &found);
      EXPECT_TRUE(SameLabels(expected, found)) << "position " << position << " of " << epoch;
    }
  }
}

TEST_F(StoreTest, ReadsManyLabelsInAnyOrderAsItReadsOne) {
  Schema schema = schema_;
  for (const bool windows : {false, true}) {
    schema.codec.windows = windows;
    schema.codec.view_fingerprints = true;
    schema.tables = std::make_shared<CodecTables>(DefaultTables(schema.codec));
    const std::string path = directory_.File(windows ? "windows" : "labels");
    MakeCompleteStore(path, schema);
    const StoreReader reader(path);
    std::vector<uint64_t> positions;
    for (uint64_t i = 0; i < 100; ++i) positions.push_back(i * i * 7 % 22);  // more than are read side by side
    LabelBatch expected, found;
    reader.ReadLabel(1, 3, &expected);
    reader.ReadLabel(1, 3, &found);
    for (const uint64_t position : positions) reader.ReadLabel(1, position, &expected);
    reader.ReadLabels(1, positions, &found);
    EXPECT_TRUE(SameLabels(expected, found));
    EXPECT_EQ(expected.view_fingerprints, found.view_fingerprints);
    EXPECT_EQ(expected.view_fingerprints.size(), 101u);
    EXPECT_EQ(expected.window_offsets, found.window_offsets);
    EXPECT_EQ(expected.window_hashes, found.window_hashes);
    const std::vector<uint64_t> outside = {0, 22};
    EXPECT_THAT([&] { reader.ReadLabels(1, outside, &found); },
                FailsWith(ErrorCode::kInvalidArgument, "position 22 is not below 22"));
  }
}

TEST_F(StoreTest, ReadingAppends) {
  MakeCompleteStore(path_, schema_);
  const StoreReader reader(path_);
  LabelBatch labels;
  reader.ReadChunk(0, 5, &labels);  // the short one
  reader.ReadLabel(1, 3, &labels);
  reader.ReadChunk(0, 0, &labels);
  EXPECT_EQ(labels.size(), 2u + 1 + 4);
  EXPECT_EQ(labels.offsets.size(), labels.size() + 1);
  EXPECT_EQ(labels.offsets.back(), labels.num_entries());
}

TEST_F(StoreTest, RefusesPlacesOutsideTheStore) {
  MakeCompleteStore(path_, schema_);
  const StoreReader reader(path_);
  LabelBatch labels;
  const auto code = ErrorCode::kInvalidArgument;
  EXPECT_THAT([&] { reader.ReadChunk(0, 6, &labels); }, FailsWith(code, "chunk 6 of epoch 0"));
  EXPECT_THAT([&] { reader.ReadChunk(2, 0, &labels); }, FailsWith(code, "chunk 0 of epoch 2"));
  EXPECT_THAT([&] { reader.ReadLabel(0, 22, &labels); }, FailsWith(code, "position 22"));
  EXPECT_THAT([&] { reader.ReadLabel(2, 0, &labels); }, FailsWith(code, "epoch 2"));
}

TEST_F(StoreTest, ResumesWhereItStopped) {
  MakeStore(path_, schema_, {1, 4});
  StoreWriter writer(path_, schema_);
  EXPECT_EQ(writer.MissingSpans(), (std::vector<uint64_t>{0, 2, 3, 5}));
  for (const uint64_t span : writer.MissingSpans()) {
    writer.Commit({WriteSpan(schema_, path_, span)});
  }
  writer.Seal();
  ExpectWholeContent(StoreReader(path_));
}

TEST_F(StoreTest, OpeningRemovesWhatDeadWritersLeft) {
  MakeStore(path_, schema_, {1});
  WriteFileAtomically(path_ + "/staging/000001/span-000002-dead.sst.partial", "half a file");
  const StoreWriter writer(path_, schema_);
  EXPECT_FALSE(std::filesystem::exists(path_ + "/staging/000001"));
}

TEST_F(StoreTest, AdoptsTheFinishedSpansOfDeadWriters) {
  {
    StoreWriter dead(path_, schema_);
    dead.Commit({WriteSpan(schema_, path_, 0)});
    for (const uint64_t span : {1, 3}) WriteSpan(schema_, path_, span);
    WriteSpan(schema_, path_, 3, "other attempt");
  }
  WriteFileAtomically(path_ + "/staging/000001/span-000004-torn.sst", "half a file");
  {
    StoreWriter writer(path_, schema_);
    EXPECT_EQ(writer.StagedSpans(), (std::vector<uint64_t>{1, 3, 4}));
  }
  StoreWriter writer(path_, schema_);
  EXPECT_EQ(writer.StagedSpans(), (std::vector<uint64_t>{1, 3, 4})) << "whoever does not adopt leaves them";
  EXPECT_EQ(writer.Adopt(), (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(writer.MissingSpans(), (std::vector<uint64_t>{2, 4, 5}));
  EXPECT_THAT(StagedFiles(), testing::IsEmpty());
  for (const uint64_t span : writer.MissingSpans()) writer.Commit({WriteSpan(schema_, path_, span)});
  writer.Seal();
  ExpectWholeContent(StoreReader(path_));
}

TEST_F(StoreTest, NamesSpansWhoseLabelsDiffer) {
  StoreWriter writer(path_, schema_);
  SpanFile other = WriteSpan(schema_, path_, 1, "other");
  other.trailer.content_digest = {};
  EXPECT_THAT(writer.Commit({WriteSpan(schema_, path_, 1)}), testing::IsEmpty());
  EXPECT_THAT(writer.Commit({WriteSpan(schema_, path_, 1)}), testing::IsEmpty());
  EXPECT_THAT(writer.Commit({other}), testing::ElementsAre(1));
}

TEST_F(StoreTest, SpansComeFromScratchWholeOrNotAtAll) {
  StoreWriter writer(path_, schema_);
  const std::string scratch = directory_.File("scratch");
  CreateDirectories(scratch);
  const Span span = schema_.layout.SpanAt(1);
  SpanWriter file(schema_, {.staging = writer.staging_path(), .scratch = scratch}, span, "a");
  for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
    file.AddChunk(LabelsOfChunk(schema_, span.epoch, chunk));
  }
  EXPECT_THAT(StagedFiles(), testing::IsEmpty());
  writer.Commit({file.Finish()});
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
  EXPECT_EQ(StoreReader(path_).num_committed_spans(), 1u);
}

TEST_F(StoreTest, IncompleteStoreSaysWhatIsNotThere) {
  MakeStore(path_, schema_, {0});
  const StoreReader reader(path_);
  EXPECT_EQ(reader.num_committed_spans(), 1u);
  EXPECT_FALSE(reader.digest());
  EXPECT_TRUE(reader.ledger()[0]);
  EXPECT_FALSE(reader.ledger()[1]);
  LabelBatch labels;
  reader.ReadChunk(0, 1, &labels);
  EXPECT_THAT([&] { reader.ReadChunk(0, 2, &labels); }, FailsWith(ErrorCode::kNotFound, "chunk 2 of epoch 0"));
  EXPECT_THAT([&] { reader.ReadLabel(1, 0, &labels); }, FailsWith(ErrorCode::kNotFound, "chunk 0 of epoch 1"));
  EXPECT_EQ(labels.size(), 4u) << "a refused read appends nothing";
}

TEST_F(StoreTest, SealNeedsEverySpan) {
  StoreWriter writer(path_, schema_);
  writer.Commit({WriteSpan(schema_, path_, 0)});
  EXPECT_THAT([&] { writer.Seal(); }, FailsWith(ErrorCode::kInternal, "5 spans missing"));
}

TEST_F(StoreTest, SealRecordsTheDigestOnce) {
  MakeCompleteStore(path_, schema_);
  const std::string digest = StoreReader(path_).digest().value();
  StoreWriter writer(path_, schema_);
  EXPECT_EQ(writer.Seal(), digest);

  std::vector<Digest128> spans;
  const StoreReader reader(path_);
  for (const auto& trailer : reader.ledger()) spans.push_back(trailer->content_digest);
  EXPECT_EQ(StoreDigest(schema_, spans), digest);
}

TEST_F(StoreTest, DigestDoesNotDependOnTheOrderOfCommits) {
  MakeStore(directory_.File("a"), schema_, {0, 1, 2, 3, 4, 5});
  MakeStore(directory_.File("b"), schema_, {5, 3, 1, 0, 4, 2});
  Schema other = schema_;
  other.seed = 6;
  MakeCompleteStore(directory_.File("c"), other);
  const auto digest = [&](const char* name) { return StoreReader(directory_.File(name)).digest(); };
  EXPECT_EQ(digest("a"), digest("b"));
  EXPECT_NE(digest("a"), digest("c"));
}

TEST_F(StoreTest, LedgerCountsWhatWasWritten) {
  MakeCompleteStore(path_, schema_);
  const StoreReader reader(path_);
  const double bound = reader.codec().KlBound();
  uint64_t num_labels = 0;
  for (uint64_t span = 0; span < 6; ++span) {
    const SpanTrailer& trailer = reader.ledger()[span].value();
    EXPECT_EQ(trailer.span, span);
    EXPECT_GT(trailer.chunk_bytes, 0u);
    EXPECT_GT(trailer.kl_max, 0);
    EXPECT_LE(trailer.kl_max, bound);
    EXPECT_LE(trailer.kl_sum, trailer.kl_max * static_cast<double>(trailer.num_labels));
    num_labels += trailer.num_labels;
  }
  EXPECT_EQ(num_labels, schema_.layout.num_labels());
}

TEST_F(StoreTest, SecondCommitOfASpanIsDropped) {
  StoreWriter writer(path_, schema_);
  writer.Commit({WriteSpan(schema_, path_, 2, "a"), WriteSpan(schema_, path_, 2, "b")});
  writer.Commit({WriteSpan(schema_, path_, 2, "c"), WriteSpan(schema_, path_, 3, "c")});
  EXPECT_EQ(writer.MissingSpans(), (std::vector<uint64_t>{0, 1, 4, 5}));
  EXPECT_THAT(StagedFiles(), testing::IsEmpty());
}

TEST_F(StoreTest, RefusesAnotherSchemaNamingTheFields) {
  MakeStore(path_, schema_, {0});
  Schema other = schema_;
  other.codec.k = 4;
  other.dataset["fingerprint"] = "xyz";
  const auto open = [&] { StoreWriter writer(path_, other); };
  EXPECT_THAT(open, FailsWith(ErrorCode::kMismatch, "labels.k: expected 3, found 4"));
  EXPECT_THAT(open, FailsWith(ErrorCode::kMismatch, "dataset.fingerprint: expected \"abc\", found \"xyz\""));
}

TEST_F(StoreTest, AnotherProvenanceIsNoDifference) {
  MakeStore(path_, schema_, {0});
  Schema other = schema_;
  other.provenance = {{"host", "there"}};
  EXPECT_EQ(StoreWriter(path_, other).num_committed(), 1u);
  EXPECT_EQ(StoreReader(path_).schema().provenance, schema_.provenance) << "the first is kept";
}

TEST_F(StoreTest, RefusesASecondWriter) {
  const StoreWriter writer(path_, schema_);
  EXPECT_THAT([&] { StoreWriter second(path_, schema_); },
              FailsWith(ErrorCode::kUnavailable, "is writing to this store"));
}

TEST_F(StoreTest, ReadersDoNotDisturbTheWriter) {
  StoreWriter writer(path_, schema_);
  writer.Commit({WriteSpan(schema_, path_, 0)});
  const StoreReader before(path_);
  writer.Commit({WriteSpan(schema_, path_, 1)});
  EXPECT_EQ(before.num_committed_spans(), 1u) << "as of the opening";
  EXPECT_EQ(StoreReader(path_).num_committed_spans(), 2u);
}

TEST_F(StoreTest, ReadsFromReadOnlyFiles) {
  namespace fs = std::filesystem;
  MakeCompleteStore(path_, schema_);
  const auto all = fs::recursive_directory_iterator(path_);
  const auto write = fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write;
  for (const auto& entry : all) fs::permissions(entry, write, fs::perm_options::remove);
  const auto count = [&] {
    return std::distance(fs::recursive_directory_iterator(path_), fs::recursive_directory_iterator());
  };
  const auto num_files = count();
  ExpectWholeContent(StoreReader(path_));
  EXPECT_EQ(count(), num_files) << "reading leaves no files";
  fs::permissions(path_ + "/db", fs::perms::owner_all, fs::perm_options::add);
  for (const char* folder : {"/staging", "/lease"}) {
    fs::permissions(path_ + folder, fs::perms::owner_all, fs::perm_options::add);
  }
}

TEST_F(StoreTest, RefusesADirectoryOfSomethingElse) {
  WriteFileAtomically(path_ + "/thesis.tex", "x");
  EXPECT_THAT([&] { StoreWriter writer(path_, schema_); },
              FailsWith(ErrorCode::kInvalidArgument, "exists and is not a label store"));
  EXPECT_EQ(ReadFile(path_ + "/thesis.tex"), "x");
}

TEST_F(StoreTest, TakesWhatACreatorThatDiedAtOnceLeft) {
  std::filesystem::create_directories(path_ + "/staging");
  EXPECT_EQ(StoreWriter(path_, schema_).MissingSpans().size(), 6u);
}

TEST_F(StoreTest, RefusesASchemaThatCannotWork) {
  Schema schema = schema_;
  schema.codec.k = 0;
  EXPECT_THAT([&] { StoreWriter writer(path_, schema); }, FailsWith(ErrorCode::kInvalidArgument, "labels.k"));
  schema = schema_;
  schema.layout.span_chunks = 0;
  EXPECT_THAT([&] { StoreWriter writer(path_, schema); }, FailsWith(ErrorCode::kInvalidArgument, "span_chunks"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(StoreTest, ProvenanceMayHoldAnyBytes) {
  Schema schema = schema_;
  schema.provenance["host"] = "\xff\xfe";
  StoreWriter(path_, schema).Commit({});
  EXPECT_EQ(StoreReader(path_).schema().provenance["host"], "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_F(StoreTest, RefusesAFileInItsPlace) {
  WriteFileAtomically(path_, "x");
  EXPECT_THAT([&] { StoreWriter writer(path_, schema_); },
              FailsWith(ErrorCode::kInvalidArgument, "exists and is not a label store"));
}

TEST_F(StoreTest, TakesAnEmptyDirectory) {
  CreateDirectories(path_);
  EXPECT_EQ(StoreWriter(path_, schema_).num_committed(), 0u);
}

TEST_F(StoreTest, ReaderNeedsAStore) {
  EXPECT_THAT([&] { StoreReader reader(directory_.File("nothing")); },
              FailsWith(ErrorCode::kNotFound, "there is no label store at"));
  EXPECT_THAT([&] { StoreReader reader(directory_.path()); },
              FailsWith(ErrorCode::kNotFound, "there is no label store at"));
}

TEST_F(StoreTest, SchemaComesBackWhole) {
  MakeStore(path_, schema_, {});
  const StoreReader reader(path_);
  EXPECT_EQ(SchemaText(reader.schema()), SchemaText(schema_));
  EXPECT_EQ(reader.schema().provenance, schema_.provenance);
}

// SpanWriter, against a store that waits for its file.
class SpanWriterTest : public StoreTest {
 protected:
  const StoreWriter store_{path_, schema_};
};

TEST_F(SpanWriterTest, RefusesAWrongNumberOfLabels) {
  SpanWriter writer(schema_, path_, schema_.layout.SpanAt(2), "a");
  EXPECT_THAT([&] { writer.AddChunk(LabelsOfChunk(schema_, 0, 5)); },
              FailsWith(ErrorCode::kInvalidArgument, "chunk 4 of epoch 0: expected labels of 4 samples"));
}

TEST_F(SpanWriterTest, RefusesAChunkTooManyOrTooFew) {
  SpanWriter writer(schema_, path_, schema_.layout.SpanAt(0), "a");
  writer.AddChunk(LabelsOfChunk(schema_, 0, 0));
  EXPECT_THAT([&] { writer.Finish(); }, FailsWith(ErrorCode::kInvalidArgument, "finished at chunk 1, expected 2"));
  writer.AddChunk(LabelsOfChunk(schema_, 0, 1));
  EXPECT_THAT([&] { writer.AddChunk(LabelsOfChunk(schema_, 0, 2)); },
              FailsWith(ErrorCode::kInvalidArgument, "span 0 has no chunk 2"));
  EXPECT_EQ(writer.Finish().trailer.num_labels, 8u);
}

TEST_F(SpanWriterTest, UnfinishedFileIsRemoved) {
  {
    SpanWriter writer(schema_, path_, schema_.layout.SpanAt(0), "a");
    writer.AddChunk(LabelsOfChunk(schema_, 0, 0));
    EXPECT_THAT(NewestStagedFiles(), testing::SizeIs(1 + 1)) << "beside the tables";
    EXPECT_THAT(StagedFiles(), testing::IsEmpty()) << "not a span file yet";
  }
  EXPECT_THAT(NewestStagedFiles(), testing::SizeIs(1));
}

TEST_F(SpanWriterTest, FinishedFileStays) {
  const SpanFile file = WriteSpan(schema_, path_, 1);
  EXPECT_EQ(std::filesystem::file_size(file.path), file.file_bytes);
}

}  // namespace
}  // namespace decant
