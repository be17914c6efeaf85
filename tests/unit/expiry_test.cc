#include <filesystem>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/store/acknowledgement.h"
#include "decant/store/store_reader.h"
#include "decant/store/verify.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

using testing::IsEmpty;

class ExpiryTest : public testing::Test {
 protected:
  ExpiryTest() {
    MakeCompleteStore(path_, schema_);
    digest_ = StoreReader(path_).digest().value();
  }
  size_t NumFiles() { return DatabaseFiles(path_, "", ".sst").size(); }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store");
  const Schema schema_ = SmallSchema(4);
  std::string digest_;
};

TEST_F(ExpiryTest, DeletesTheFilesOfTheEpochs) {
  const size_t before = NumFiles();
  StoreWriter(path_, schema_).Expire(1, 3);
  EXPECT_EQ(NumFiles(), before - 6 + 1) << "3 spans an epoch; one more file of records";
}

// Whatever has expired before: an epoch of the range that a reader needs holds all of it.
TEST_F(ExpiryTest, AReaderHoldsEveryEpochItNeeds) {
  StoreWriter writer(path_, schema_);
  writer.Expire(1, 2);
  Acknowledge(path_, {.name = "slow", .next_epoch = 1});
  EXPECT_THAT([&] { writer.Expire(1, 4); },
              FailsWith(ErrorCode::kUnavailable, "the reader 'slow' still needs epoch 2"));
  EXPECT_THAT([&] { writer.Expire(0, 4); },
              FailsWith(ErrorCode::kUnavailable, "the reader 'slow' still needs epoch 2"));
  writer.Expire(0, 2);
  EXPECT_FALSE(StoreReader(path_).expired(2));
}

TEST_F(ExpiryTest, ReadersSayThatALabelHasExpired) {
  StoreWriter(path_, schema_).Expire(1, 3);
  const StoreReader reader(path_);
  LabelBatch labels;
  for (const uint32_t epoch : {1, 2}) {
    EXPECT_TRUE(reader.expired(epoch));
    const std::string text = fmt::format("epoch {} has expired: its labels were deleted", epoch);
    EXPECT_THAT([&] { reader.ReadChunk(epoch, 0, &labels); }, FailsWith(ErrorCode::kNotFound, text));
    EXPECT_THAT([&] { reader.ReadLabel(epoch, 21, &labels); }, FailsWith(ErrorCode::kNotFound, text));
  }
  for (const uint32_t epoch : {0, 3}) {
    EXPECT_FALSE(reader.expired(epoch));
    LabelBatch chunk;
    reader.ReadChunk(epoch, 5, &chunk);
    EXPECT_TRUE(SameLabels(chunk, StoredLabelsOfChunk(schema_, epoch, 5)));
  }
}

TEST_F(ExpiryTest, ReadersThatWereOpenTakeNotice) {
  StoreReader reader(path_);
  ASSERT_TRUE(reader.digest());
  StoreWriter(path_, schema_).Expire(1, 3);
  EXPECT_EQ(reader.Refresh(), schema_.layout.num_spans());
  LabelBatch labels;
  EXPECT_THAT([&] { reader.ReadChunk(1, 0, &labels); }, FailsWith(ErrorCode::kNotFound, "epoch 1 has expired"));
  reader.ReadChunk(0, 0, &labels);
  EXPECT_EQ(labels.size(), 4u);
}

TEST_F(ExpiryTest, LedgerSealAndDigestStay) {
  const auto before = StoreReader(path_).ledger();
  StoreWriter(path_, schema_).Expire(0, 4);
  const StoreReader reader(path_);
  EXPECT_EQ(reader.digest(), digest_);
  EXPECT_EQ(reader.num_committed_spans(), 12u);
  for (size_t span = 0; span < 12; ++span) {
    EXPECT_EQ(EncodeTrailer(reader.ledger()[span].value()), EncodeTrailer(before[span].value()));
  }
  StoreWriter writer(path_, schema_);
  EXPECT_THAT(writer.MissingSpans(), IsEmpty()) << "resuming does not redo them";
  EXPECT_EQ(writer.Seal(), digest_);
}

TEST_F(ExpiryTest, VerifyKnowsWhatHasExpired) {
  StoreWriter(path_, schema_).Expire(0, 1);
  const VerifyReport report = VerifyStore(path_, 2);
  EXPECT_TRUE(report.sound());
  EXPECT_TRUE(report.complete());
  EXPECT_TRUE(report.sealed);
  EXPECT_EQ(report.num_expired, 3u);
  EXPECT_EQ(report.num_labels, 3 * 22u) << "of the epochs that are there";
  EXPECT_EQ(report.digest, digest_);
}

TEST_F(ExpiryTest, StoreThatIsStillWrittenCanExpireToo) {
  const std::string path = directory_.File("growing");
  MakeStore(path, schema_, {0, 1, 2, 3});
  StoreWriter writer(path, schema_);
  writer.Expire(0, 1);
  for (const uint64_t span : writer.MissingSpans()) writer.Commit({WriteSpan(schema_, path, span)});
  EXPECT_EQ(writer.Seal(), digest_);
}

TEST_F(ExpiryTest, ExpiringTwiceIsFine) {
  StoreWriter writer(path_, schema_);
  writer.Expire(0, 2);
  const size_t files = NumFiles();
  writer.Expire(0, 2);
  EXPECT_EQ(NumFiles(), files);
  writer.Expire(1, 3);
  EXPECT_TRUE(VerifyStore(path_, 1).sound());
}

TEST_F(ExpiryTest, RefusesEpochsThatAreNotComplete) {
  const std::string path = directory_.File("growing");
  MakeStore(path, schema_, {0, 1, 2, 3, 5});
  StoreWriter writer(path, schema_);
  EXPECT_THAT([&] { writer.Expire(0, 2); },
              FailsWith(ErrorCode::kNotFound, "epoch 1 is not labelled yet: span 4 is missing"));
  EXPECT_FALSE(StoreReader(path).expired(0)) << "all epochs or none";
}

TEST_F(ExpiryTest, RefusesEpochsThatAreNotThere) {
  StoreWriter writer(path_, schema_);
  const auto refused = FailsWith(ErrorCode::kInvalidArgument, "the store has the epochs 0:4");
  EXPECT_THAT([&] { writer.Expire(0, 5); }, refused);
  EXPECT_THAT([&] { writer.Expire(2, 2); }, refused);
}

TEST_F(ExpiryTest, NeverTakesWhatAReaderStillNeeds) {
  StoreWriter writer(path_, schema_);
  Acknowledge(path_, {.name = "fast", .next_epoch = 4});
  Acknowledge(path_, {.name = "slow", .next_epoch = 0});
  EXPECT_THAT([&] { writer.Expire(0, 2); },
              FailsWith(ErrorCode::kUnavailable, "the reader 'slow' still needs epoch 0"));
  Acknowledge(path_, {.name = "slow", .next_epoch = 1});
  EXPECT_THAT([&] { writer.Expire(0, 2); },
              FailsWith(ErrorCode::kUnavailable, "the reader 'slow' still needs epoch 1"));
  EXPECT_FALSE(StoreReader(path_).expired(0));
  writer.Expire(0, 1);
  std::filesystem::remove(AcknowledgementPath(path_, "slow"));
  writer.Expire(1, 4);
}

TEST_F(ExpiryTest, TheWriterExpiresWhatEveryReaderIsDoneWith) {
  const std::string path = directory_.File("growing");
  MakeStore(path, schema_, {0, 1, 2, 3, 4, 6, 7, 8});  // epochs 0 and 2, most of 1
  StoreWriter writer(path, schema_);
  EXPECT_EQ(writer.ExpireAcknowledged(), 0u) << "nobody has read anything";
  Acknowledge(path, {.name = "a", .next_epoch = 3});
  Acknowledge(path, {.name = "b", .next_epoch = 0});
  EXPECT_EQ(writer.ExpireAcknowledged(), 0u);
  Acknowledge(path, {.name = "b", .next_epoch = 1});
  EXPECT_EQ(writer.ExpireAcknowledged(), 1u);
  Acknowledge(path, {.name = "b", .next_epoch = 4});
  EXPECT_EQ(writer.ExpireAcknowledged(), 1u);
  const StoreReader reader(path);
  EXPECT_TRUE(reader.expired(0));
  EXPECT_FALSE(reader.expired(1)) << "not complete";
  EXPECT_TRUE(reader.expired(2));
}

TEST_F(ExpiryTest, AcknowledgementsComeBackByName) {
  EXPECT_THAT(ReadAcknowledgements(path_), IsEmpty());
  Acknowledge(path_, {.name = "b.1", .next_epoch = 3});
  Acknowledge(path_, {.name = "a_2", .next_epoch = 0});
  Acknowledge(path_, {.name = "b.1", .next_epoch = 5});
  WriteFileAtomically(path_ + "/readers/c.tmp-17", "half");
  const auto readers = ReadAcknowledgements(path_);
  ASSERT_EQ(readers.size(), 2u);
  EXPECT_EQ(readers[0].name, "a_2");
  EXPECT_EQ(readers[0].next_epoch, 0u);
  EXPECT_EQ(readers[1].name, "b.1");
  EXPECT_EQ(readers[1].next_epoch, 5u);
}

TEST_F(ExpiryTest, RefusesNamesThatAreNoFileNames) {
  for (const char* name : {"", ".", "..", "../seal", "a/b", ".hidden", "a b", "x.tmp-1"}) {
    EXPECT_THAT([&] { Acknowledge(path_, {.name = name}); },
                FailsWith(ErrorCode::kInvalidArgument, "cannot be the name of a reader"))
        << name;
  }
  EXPECT_THAT([&] { Acknowledge(path_, {.name = std::string(65, 'a')}); },
              FailsWith(ErrorCode::kInvalidArgument, "cannot be the name of a reader"));
  EXPECT_THAT([&] { Acknowledge(directory_.File("nothing"), {.name = "a"}); },
              FailsWith(ErrorCode::kNotFound, "there is no label store at"));
}

TEST_F(ExpiryTest, DamagedAcknowledgementHoldsEverythingBack) {
  Acknowledge(path_, {.name = "a", .next_epoch = 4});
  Acknowledge(path_, {.name = "b", .next_epoch = 4});
  const std::string file = AcknowledgementPath(path_, "a");
  const std::string sound = ReadFile(file);
  StoreWriter writer(path_, schema_);
  for (size_t i = 0; i < sound.size(); ++i) {
    std::string damaged = sound;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    WriteFileAtomically(file, damaged);
    EXPECT_THAT([&] { writer.Expire(0, 1); }, FailsWith(ErrorCode::kDataLoss, "readers/a")) << i;
  }
  WriteFileAtomically(file, ReadFile(AcknowledgementPath(path_, "b")));
  EXPECT_THAT([&] { writer.Expire(0, 1); }, FailsWith(ErrorCode::kDataLoss, "name: expected a, found b"));
}

TEST_F(ExpiryTest, ExtendedStoreGoesOnWhereItEnded) {
  const Schema more = SmallSchema(6);
  MakeCompleteStore(directory_.File("whole"), more);
  EXPECT_THAT([&] { StoreWriter writer(path_, more); }, FailsWith(ErrorCode::kMismatch, "store --epochs 6` adds them"));
  StoreWriter(path_, schema_).Extend(6);
  EXPECT_FALSE(StoreReader(path_).digest()) << "not complete any more";
  EXPECT_TRUE(VerifyStore(path_, 1).sound());
  EXPECT_THAT([&] { StoreWriter writer(path_, schema_); },
              FailsWith(ErrorCode::kMismatch, "layout.num_epochs: expected 6, found 4"));
  StoreWriter writer(path_, more);
  EXPECT_EQ(writer.MissingSpans(), (std::vector<uint64_t>{12, 13, 14, 15, 16, 17}));
  for (const uint64_t span : writer.MissingSpans()) writer.Commit({WriteSpan(more, path_, span)});
  EXPECT_EQ(writer.Seal(), StoreReader(directory_.File("whole")).digest());
  EXPECT_EQ(StoreReader(path_).schema().provenance, schema_.provenance) << "the first is kept";
}

TEST_F(ExpiryTest, ExtendingNeedsMoreEpochs) {
  StoreWriter writer(path_, schema_);
  writer.Extend(4);  // as many as there are
  for (const uint32_t num_epochs : {0u, 3u}) {
    EXPECT_THAT([&] { writer.Extend(num_epochs); }, FailsWith(ErrorCode::kInvalidArgument, "has 4 epochs already"));
  }
  EXPECT_THAT([&] { writer.Extend(1u << 30); }, FailsWith(ErrorCode::kInvalidArgument, "more than"));
  EXPECT_EQ(StoreReader(path_).digest(), digest_) << "a refused extension changes nothing";
}

TEST_F(ExpiryTest, ExpiredEpochsStayExpiredWhenExtended) {
  StoreWriter(path_, schema_).Expire(0, 2);
  StoreWriter(path_, schema_).Extend(5);
  EXPECT_TRUE(StoreReader(path_).expired(1));
  EXPECT_EQ(StoreWriter(path_, SmallSchema(5)).MissingSpans().size(), 3u);
}

}  // namespace
}  // namespace decant
