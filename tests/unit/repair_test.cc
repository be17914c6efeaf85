#include "decant/store/repair.h"

#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/store/store_reader.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class RepairTest : public testing::Test {
 protected:
  RepairReport Repair() { return RepairStore(path_, 2); }
  // The files of the labels, one a span: all but the first SST, which is the schema's.
  std::vector<std::string> SpanFiles() {
    std::vector<std::string> files = DatabaseFiles(path_, "", ".sst");
    files.erase(files.begin());
    return files;
  }
  void FlipAByte(const std::string& file) {
    std::string bytes = ReadFile(file);
    bytes[30] = static_cast<char>(~bytes[30]);
    WriteFileAtomically(file, bytes);
  }
  // Of all files but the leases, which tell who wrote.
  std::map<std::string, std::string> AllBytes() {
    std::map<std::string, std::string> bytes;
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      const bool is_lease = entry.path().parent_path().filename() == "lease";
      if (entry.is_regular_file() && !is_lease) bytes[entry.path()] = ReadFile(entry.path());
    }
    return bytes;
  }
  // The store is sound without these spans; labelling them again gives the digest that it had.
  void ExpectMissing(const std::vector<uint64_t>& spans) {
    const VerifyReport report = VerifyStore(path_, 2);
    EXPECT_TRUE(report.sound()) << report.damages.front().where << ": " << report.damages.front().what;
    EXPECT_FALSE(report.sealed);
    StoreWriter writer(path_, schema_);
    EXPECT_EQ(writer.MissingSpans(), spans);
    for (const uint64_t span : spans) writer.Commit({WriteSpan(schema_, path_, span)});
    EXPECT_EQ(writer.Seal(), digest_);
  }
  void MakeSealedStore() {
    MakeCompleteStore(path_, schema_);
    digest_ = StoreReader(path_).digest().value();
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store");
  const Schema schema_ = SmallSchema();
  std::string digest_;
};

TEST_F(RepairTest, SoundStoreKeepsEveryByte) {
  MakeSealedStore();
  const auto before = AllBytes();
  const RepairReport report = Repair();
  EXPECT_THAT(report.damages, IsEmpty());
  EXPECT_EQ(report.digest, digest_);
  EXPECT_EQ(AllBytes(), before);
}

TEST_F(RepairTest, IncompleteSoundStoreKeepsEveryByte) {
  MakeStore(path_, schema_, {4, 1});
  const auto before = AllBytes();
  EXPECT_THAT(Repair().damages, IsEmpty());
  EXPECT_EQ(AllBytes(), before);
}

TEST_F(RepairTest, DropsExactlyTheBadSpans) {
  MakeSealedStore();
  FlipAByte(SpanFiles()[1]);
  FlipAByte(SpanFiles()[4]);
  const RepairReport report = Repair();
  EXPECT_THAT(report.dropped, ElementsAre(1, 4));
  EXPECT_THAT(report.recovered, IsEmpty());
  EXPECT_EQ(report.num_committed, 4u);
  EXPECT_FALSE(report.digest);
  ExpectMissing({1, 4});
}

TEST_F(RepairTest, DropsSpansWhoseFilesAreGoneOrCut) {
  MakeSealedStore();
  const auto files = SpanFiles();
  fs::remove(files[0]);
  WriteFileAtomically(files[2], ReadFile(files[2]).substr(0, 100));
  WriteFileAtomically(files[5], "");
  EXPECT_THAT(Repair().dropped, ElementsAre(0, 2, 5));
  ExpectMissing({0, 2, 5});
}

TEST_F(RepairTest, DropsSpansInEachOthersPlace) {
  MakeSealedStore();
  const auto files = SpanFiles();
  const std::string first = ReadFile(files[0]), second = ReadFile(files[1]);
  WriteFileAtomically(files[0], second);
  WriteFileAtomically(files[1], first);
  EXPECT_THAT(Repair().dropped, ElementsAre(0, 1));
  ExpectMissing({0, 1});
}

TEST_F(RepairTest, EveryFileOfTheDatabaseCanGoButTheSchemas) {
  for (size_t i = 0; i < 6; ++i) {
    fs::remove_all(path_);
    MakeSealedStore();
    fs::remove(SpanFiles()[i]);
    EXPECT_THAT(Repair().dropped, ElementsAre(i));
    ExpectMissing({i});
  }
}

TEST_F(RepairTest, TakesBackSpansThatTheDatabaseForgot) {
  MakeStore(path_, schema_, {0, 1});
  std::string manifest;
  {
    StoreWriter writer(path_, schema_);
    manifest = ReadFile(DatabaseFiles(path_, "MANIFEST").front());
    for (const uint64_t span : {2, 3, 4}) writer.Commit({WriteSpan(schema_, path_, span)});
  }
  WriteFileAtomically(DatabaseFiles(path_, "MANIFEST").front(), manifest);
  const VerifyReport before = VerifyStore(path_, 1);
  EXPECT_FALSE(before.sound());
  EXPECT_EQ(before.num_committed, 2u);
  EXPECT_THAT([&] { StoreWriter writer(path_, schema_); },
              FailsWith(ErrorCode::kDataLoss, "`decant repair` takes it back"));

  const RepairReport report = Repair();
  EXPECT_THAT(report.recovered, ElementsAre(2, 3, 4));
  EXPECT_THAT(report.dropped, IsEmpty());
  EXPECT_TRUE(VerifyStore(path_, 1).sound());
  EXPECT_EQ(StoreWriter(path_, schema_).MissingSpans(), (std::vector<uint64_t>{5}));
}

TEST_F(RepairTest, SealedStoreThatForgotSpansIsSealedAgain) {
  MakeSealedStore();
  const std::string manifest = DatabaseFiles(path_, "MANIFEST").front();
  const std::string sound = ReadFile(manifest);
  for (size_t size = 0; size < sound.size(); size += 97) {
    WriteFileAtomically(manifest, sound.substr(0, size));
    const RepairReport report = Repair();
    EXPECT_EQ(report.digest, digest_) << "cut to " << size;
    EXPECT_TRUE(VerifyStore(path_, 1).sound()) << "cut to " << size;
    fs::remove_all(path_);
    MakeSealedStore();
  }
}

TEST_F(RepairTest, RebuildsADatabaseThatDoesNotOpen) {
  for (const char* prefix : {"CURRENT", "MANIFEST"}) {
    fs::remove_all(path_);
    MakeSealedStore();
    FlipAByte(SpanFiles()[3]);
    for (const std::string& file : DatabaseFiles(path_, prefix)) fs::remove(file);
    const RepairReport report = Repair();
    EXPECT_THAT(report.recovered, ElementsAre(0, 1, 2, 4, 5)) << prefix;
    ExpectMissing({3});
  }
}

TEST_F(RepairTest, RebuildsAnExtendedStoreWithItsLastSchema) {
  MakeSealedStore();
  StoreWriter(path_, schema_).Extend(3);
  const Schema more = SmallSchema(3);
  MakeStore(path_, more, {6, 7});
  for (const std::string& file : DatabaseFiles(path_, "MANIFEST")) fs::remove(file);
  EXPECT_THAT(Repair().recovered, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_EQ(StoreWriter(path_, more).MissingSpans(), (std::vector<uint64_t>{8}));
}

TEST_F(RepairTest, DamagedSealIsMadeAgain) {
  MakeSealedStore();
  WriteFileAtomically(path_ + "/seal", "x");
  EXPECT_EQ(Repair().digest, digest_);
  EXPECT_TRUE(VerifyStore(path_, 1).sealed);
}

TEST_F(RepairTest, RefusesToGuessWhatTheSealMeant) {
  MakeSealedStore();
  Schema other = schema_;
  other.seed = 99;
  MakeCompleteStore(directory_.File("other"), other);
  WriteFileAtomically(path_ + "/seal", ReadFile(directory_.File("other") + "/seal"));
  const auto before = AllBytes();
  EXPECT_THAT([&] { Repair(); }, FailsWith(ErrorCode::kDataLoss, "every span is sound, but their digest is"));
  EXPECT_EQ(AllBytes(), before);
}

TEST_F(RepairTest, SaysThatTheSchemaIsLost) {
  MakeSealedStore();
  fs::remove(DatabaseFiles(path_, "", ".sst").front());
  EXPECT_THAT([&] { Repair(); }, FailsWith(ErrorCode::kDataLoss, "the schema is lost"));
}

TEST_F(RepairTest, RefusesAStoreThatIsBeingWritten) {
  const StoreWriter writer(path_, schema_);
  EXPECT_THAT([&] { Repair(); }, FailsWith(ErrorCode::kUnavailable, "is writing to this store"));
}

TEST_F(RepairTest, NothingThereIsNotFound) {
  EXPECT_THAT([&] { Repair(); }, FailsWith(ErrorCode::kNotFound, "there is no label store at"));
}

TEST_F(RepairTest, ARepairedDatabaseTakesThePlaceOfTheDamagedOneAtOnce) {
  MakeSealedStore();
  fs::copy(path_ + "/db", directory_.File("damaged"));
  FlipAByte(SpanFiles()[2]);
  Repair();
  fs::rename(directory_.File("damaged"), path_ + "/db");  // killed before it was removed
  ExpectMissing({2});
  MakeStore(path_, schema_, {2});
  EXPECT_EQ(StoreReader(path_).digest(), digest_);
  EXPECT_FALSE(fs::exists(path_ + "/db"));
}

TEST_F(RepairTest, KeepsWhatHasExpired) {
  MakeSealedStore();
  StoreWriter(path_, schema_).Expire(0, 1);
  FlipAByte(SpanFiles()[2]);
  EXPECT_THAT(Repair().dropped, ElementsAre(5));
  EXPECT_TRUE(StoreReader(path_).expired(0));
  ExpectMissing({5});
}

TEST_F(RepairTest, KeepsWhatHasExpiredWithoutAManifest) {
  MakeSealedStore();
  StoreWriter(path_, schema_).Expire(0, 1);
  for (const std::string& file : DatabaseFiles(path_, "MANIFEST")) fs::remove(file);
  EXPECT_EQ(Repair().digest, digest_);
  EXPECT_TRUE(StoreReader(path_).expired(0));
  EXPECT_EQ(StoreReader(path_).schema().provenance, schema_.provenance);
}

}  // namespace
}  // namespace decant
