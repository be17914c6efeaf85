#include "decant/store/merge.h"

#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/store/store_reader.h"
#include "decant/store/verify.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

class MergeTest : public testing::Test {
 protected:
  MergeTest() {
    MakeCompleteStore(Path("whole"), schema_);
    digest_ = StoreReader(Path("whole")).digest().value();
  }
  std::string Path(const std::string& name) { return directory_.File(name); }
  std::map<std::string, std::string> AllBytes(const std::string& name) {
    std::map<std::string, std::string> bytes;
    for (const auto& entry : fs::recursive_directory_iterator(Path(name))) {
      if (entry.is_regular_file()) bytes[entry.path()] = ReadFile(entry.path());
    }
    return bytes;
  }
  void ExpectWhole(const std::string& name, uint32_t epoch_begin, uint32_t epoch_end) {
    EXPECT_TRUE(VerifyStore(Path(name), 1).sound());
    const StoreReader reader(Path(name));
    for (uint32_t epoch = epoch_begin; epoch < epoch_end; ++epoch) {
      for (uint64_t chunk = 0; chunk < 6; ++chunk) {
        LabelBatch labels;
        reader.ReadChunk(epoch, chunk, &labels);
        EXPECT_TRUE(SameLabels(labels, StoredLabelsOfChunk(schema_, epoch, chunk)));
      }
    }
  }

  const TemporaryDirectory directory_;
  const Schema schema_ = SmallSchema(3);  // 9 spans
  std::string digest_;
};

TEST_F(MergeTest, PartsGiveTheWholeStore) {
  MakeStore(Path("a"), schema_, {0, 2, 4, 8});
  MakeStore(Path("b"), schema_, {7, 1});
  MakeStore(Path("c"), schema_, {6, 5, 3});
  const MergeReport report = MergeStores(Path("out"), {Path("a"), Path("b"), Path("c")});
  EXPECT_EQ(report.num_linked, 9u);
  EXPECT_EQ(report.digest, digest_);
  ExpectWhole("out", 0, 3);
}

TEST_F(MergeTest, FilesAreLinkedAndSourcesStayAsTheyAre) {
  MakeStore(Path("a"), schema_, {0, 1, 2, 3, 4});
  MakeStore(Path("b"), schema_, {5, 6, 7, 8});
  const auto a = AllBytes("a"), b = AllBytes("b");
  MergeStores(Path("out"), {Path("a"), Path("b")});
  EXPECT_EQ(AllBytes("a"), a);
  EXPECT_EQ(AllBytes("b"), b);
  size_t linked = 0;
  for (const std::string& file : DatabaseFiles(Path("out"), "", ".sst"))
    linked += fs::hard_link_count(file) == 2 ? 1 : 0;
  EXPECT_EQ(linked, 9u);
  fs::remove_all(Path("a"));
  fs::remove_all(Path("b"));
  ExpectWhole("out", 0, 3);
}

TEST_F(MergeTest, MergedStoresMergeAgain) {
  MakeStore(Path("a"), schema_, {0, 1, 2});
  MakeStore(Path("b"), schema_, {3, 4, 5});
  MakeStore(Path("c"), schema_, {6, 7, 8});
  EXPECT_FALSE(MergeStores(Path("ab"), {Path("a"), Path("b")}).digest);
  EXPECT_EQ(MergeStores(Path("abc"), {Path("ab"), Path("c")}).digest, digest_);
  ExpectWhole("abc", 0, 3);
}

TEST_F(MergeTest, FingerprintsOfViewsComeAlong) {
  Schema schema = schema_;
  schema.codec.view_fingerprints = true;
  MakeStore(Path("a"), schema, {0, 1, 2, 3});
  MakeStore(Path("b"), schema, {4, 5, 6, 7, 8});
  MergeStores(Path("out"), {Path("a"), Path("b")});
  ExtractStore(Path("part"), Path("out"), 1, 2);
  for (const char* name : {"out", "part"}) {
    EXPECT_TRUE(VerifyStore(Path(name), 1).sound()) << name;
    const StoreReader reader(Path(name));
    for (uint64_t position = 0; position < 22; ++position) {
      LabelBatch label;
      reader.ReadLabel(1, position, &label);
      EXPECT_EQ(label.view_fingerprints, std::vector<uint16_t>{FingerprintOf(1, position)});
    }
  }
  EXPECT_THAT(
      [&] {
        MergeStores(Path("mixed"), {Path("a"), Path("whole")});
      },
      FailsWith(ErrorCode::kMismatch, "labels.view_fingerprints: true and nothing"));
}

TEST_F(MergeTest, EqualSpansAreTakenOnce) {
  MakeStore(Path("a"), schema_, {0, 1, 2, 3});
  EXPECT_EQ(MergeStores(Path("out"), {Path("a"), Path("whole"), Path("a")}).num_linked, 9u);
  ExpectWhole("out", 0, 3);
}

TEST_F(MergeTest, RefusesAnotherContentNamingSpanAndStores) {
  MakeStore(Path("a"), schema_, {0});
  {
    StoreWriter writer(Path("b"), schema_);
    SpanWriter span(schema_, Path("b"), schema_.layout.SpanAt(0), "x");
    for (const uint64_t chunk : {0, 1}) span.AddChunk(LabelsOfChunk(schema_, 2, chunk));
    writer.Commit({span.Finish()});
  }
  const auto merge = [&] { MergeStores(Path("out"), {Path("a"), Path("b")}); };
  EXPECT_THAT(merge, FailsWith(ErrorCode::kMismatch, "span 0 (chunks 0 to 1 of epoch 0) differs"));
  EXPECT_THAT(merge, FailsWith(ErrorCode::kMismatch, Path("a")));
  EXPECT_THAT(merge, FailsWith(ErrorCode::kMismatch, Path("b")));
  EXPECT_FALSE(fs::exists(Path("out")));
}

TEST_F(MergeTest, RefusesAnotherSchemaFieldByField) {
  Schema other = schema_;
  other.seed = 6;
  other.codec.k = 4;
  MakeStore(Path("a"), other, {0});
  const auto merge = [&] { MergeStores(Path("out"), {Path("whole"), Path("a")}); };
  EXPECT_THAT(merge, FailsWith(ErrorCode::kMismatch, "seed: 5 and 6"));
  EXPECT_THAT(merge, FailsWith(ErrorCode::kMismatch, "labels.k: 3 and 4"));
  EXPECT_FALSE(fs::exists(Path("out")));
}

TEST_F(MergeTest, RefusesItselfAndNothing) {
  EXPECT_THAT([&] { MergeStores(Path("whole"), {Path("whole")}); },
              FailsWith(ErrorCode::kInvalidArgument, "source and result at once"));
  EXPECT_THAT([&] { MergeStores(Path("out"), {Path("nothing")}); },
              FailsWith(ErrorCode::kNotFound, "there is no label store at"));
}

TEST_F(MergeTest, ContinuesAnIncompleteStore) {
  MakeStore(Path("out"), schema_, {4, 5});
  const MergeReport report = MergeStores(Path("out"), {Path("whole")});
  EXPECT_EQ(report.num_linked, 7u);
  EXPECT_EQ(report.digest, digest_);
  EXPECT_EQ(MergeStores(Path("out"), {Path("whole")}).num_linked, 0u);
}

TEST_F(MergeTest, ExpiredEpochsAreTakenFromWhoHasThem) {
  MakeCompleteStore(Path("a"), schema_);
  StoreWriter(Path("a"), schema_).Expire(0, 2);
  MakeStore(Path("b"), schema_, {0, 1, 2, 3});
  EXPECT_EQ(MergeStores(Path("out"), {Path("a"), Path("b")}).digest, digest_);
  EXPECT_FALSE(StoreReader(Path("out")).expired(0)) << "b has all of it";
  EXPECT_TRUE(StoreReader(Path("out")).expired(1)) << "b has a part of it";
  EXPECT_TRUE(VerifyStore(Path("out"), 1).sound());
}

TEST_F(MergeTest, ExtractOfTheFirstEpochsIsTheStoreOfFewerEpochs) {
  MakeCompleteStore(Path("two"), SmallSchema(2));
  const auto before = AllBytes("whole");
  EXPECT_EQ(ExtractStore(Path("out"), Path("whole"), 0, 2).digest, StoreReader(Path("two")).digest());
  EXPECT_EQ(AllBytes("whole"), before);
  ExpectWhole("out", 0, 2);
}

TEST_F(MergeTest, ExtractedEpochsKeepTheirNumbers) {
  EXPECT_EQ(ExtractStore(Path("out"), Path("whole"), 1, 3).digest, digest_);
  const StoreReader reader(Path("out"));
  EXPECT_TRUE(reader.expired(0));
  ExpectWhole("out", 1, 3);
  EXPECT_EQ(MergeStores(Path("back"), {Path("out"), Path("whole")}).digest, digest_);
  EXPECT_FALSE(StoreReader(Path("back")).expired(0));
}

TEST_F(MergeTest, ExtractRefusesWhatIsNotThere) {
  MakeStore(Path("part"), schema_, {0, 1, 2, 3});
  EXPECT_THAT([&] { ExtractStore(Path("out"), Path("part"), 0, 2); },
              FailsWith(ErrorCode::kNotFound, "epoch 1 is not labelled yet"));
  EXPECT_THAT([&] { ExtractStore(Path("out"), Path("whole"), 2, 4); },
              FailsWith(ErrorCode::kInvalidArgument, "the store has the epochs 0:3"));
  StoreWriter(Path("whole"), schema_).Expire(1, 2);
  EXPECT_THAT([&] { ExtractStore(Path("out"), Path("whole"), 1, 3); },
              FailsWith(ErrorCode::kNotFound, "epoch 1 has expired"));
  EXPECT_FALSE(fs::exists(Path("out")));
}

}  // namespace
}  // namespace decant
