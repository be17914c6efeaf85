#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "decant/base/file.h"
#include "decant/store/store_reader.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class FollowTest : public testing::Test {
 protected:
  bool HasChunk(const StoreReader& reader, uint32_t epoch, uint64_t chunk) {
    LabelBatch labels;
    reader.ReadChunk(epoch, chunk, &labels);
    return SameLabels(labels, StoredLabelsOfChunk(schema_, epoch, chunk));
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store");
  const Schema schema_ = SmallSchema();
};

TEST_F(FollowTest, SeesCommitsAtARefreshAndNotBefore) {
  StoreWriter writer(path_, schema_);
  StoreReader reader(path_);
  for (uint64_t span = 0; span < 6; ++span) {
    writer.Commit({WriteSpan(schema_, path_, span)});
    EXPECT_EQ(reader.num_committed_spans(), span);
    EXPECT_EQ(reader.Refresh(), span + 1);
    EXPECT_TRUE(reader.ledger()[span]);
    const Span place = schema_.layout.SpanAt(span);
    EXPECT_TRUE(HasChunk(reader, place.epoch, place.chunk_end - 1));
  }
  EXPECT_FALSE(reader.digest());
  const std::string digest = writer.Seal();
  reader.Refresh();
  EXPECT_EQ(reader.digest(), digest);
}

TEST_F(FollowTest, FollowsFromOneWriterToTheNext) {
  MakeStore(path_, schema_, {0});
  StoreReader reader(path_);
  for (uint64_t span = 1; span < 6; ++span) {
    MakeStore(path_, schema_, {span});  // each with a MANIFEST of its own
    EXPECT_EQ(reader.Refresh(), span + 1);
  }
  EXPECT_TRUE(reader.digest());
  for (uint64_t chunk = 0; chunk < 6; ++chunk) EXPECT_TRUE(HasChunk(reader, 1, chunk));
}

TEST_F(FollowTest, SeesWhatHasExpired) {
  StoreWriter writer(path_, schema_);
  for (uint64_t span = 0; span < 5; ++span) writer.Commit({WriteSpan(schema_, path_, span)});
  StoreReader reader(path_);
  writer.Expire(0, 1);
  LabelBatch labels;
  EXPECT_EQ(reader.Refresh(), 5u);
  EXPECT_TRUE(reader.expired(0));
  EXPECT_THAT([&] { reader.ReadChunk(0, 0, &labels); }, FailsWith(ErrorCode::kNotFound, "epoch 0 has expired"));
  EXPECT_TRUE(HasChunk(reader, 1, 0));
}

TEST_F(FollowTest, ReadsRightOrSaysExpiredWhateverTheWriterDeletes) {
  StoreWriter writer(path_, schema_);
  for (uint64_t span = 0; span < 5; ++span) writer.Commit({WriteSpan(schema_, path_, span)});
  const StoreReader reader(path_);
  writer.Expire(0, 1);
  LabelBatch labels;
  for (uint64_t chunk = 0; chunk < 6; ++chunk) {
    try {
      EXPECT_TRUE(HasChunk(reader, 0, chunk));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNotFound) << error.what();
    }
  }
}

TEST_F(FollowTest, ManyReadersFollowAWriterAtWork) {
  const Schema schema = SmallSchema(20);
  StoreWriter writer(path_, schema);
  std::vector<std::jthread> readers;
  std::vector<std::string> failures(3);
  for (std::string& failure : failures) {
    readers.emplace_back([&] {
      try {
        StoreReader reader(path_);
        uint64_t seen = 0;
        while (seen < schema.layout.num_spans()) {
          const uint64_t now = reader.Refresh();
          if (now < seen) failure = "fewer spans than before";
          seen = now;
          for (uint64_t span = 0; span < reader.ledger().size(); ++span) {
            if (!reader.ledger()[span]) continue;
            const Span place = schema.layout.SpanAt(span);
            LabelBatch labels;
            reader.ReadChunk(place.epoch, place.chunk_begin, &labels);
            if (!SameLabels(labels, StoredLabelsOfChunk(schema, place.epoch, place.chunk_begin)))
              failure = "other labels";
          }
        }
      } catch (const std::exception& exception) {
        failure = exception.what();
      }
    });
  }
  for (const uint64_t span : writer.MissingSpans()) writer.Commit({WriteSpan(schema, path_, span)});
  readers.clear();
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
}

TEST_F(FollowTest, LeavesNothingBehind) {
  MakeStore(path_, schema_, {0, 1});
  CreateDirectories(directory_.File("temporary"));
  ::setenv("TMPDIR", directory_.File("temporary").c_str(), 1);
  const auto count = [](const std::string& path) {
    return std::distance(std::filesystem::recursive_directory_iterator(path),
                         std::filesystem::recursive_directory_iterator());
  };
  const auto files = count(path_);
  {
    StoreReader reader(path_);
    reader.Refresh();
    EXPECT_GT(count(directory_.File("temporary")), 0);
    EXPECT_EQ(count(path_), files);
  }
  ::unsetenv("TMPDIR");
  EXPECT_EQ(count(directory_.File("temporary")), 0);
  EXPECT_EQ(count(path_), files);
}

TEST_F(FollowTest, MissingFileIsDamageAlsoInAStoreThatIsNotSealed) {
  MakeStore(path_, schema_, {0, 1, 2});
  for (const std::string& file : DatabaseFiles(path_, "", ".sst")) {
    std::filesystem::rename(file, file + "-away");
    EXPECT_THAT([&] { StoreReader reader(path_); }, FailsWith(ErrorCode::kDataLoss, "decant verify")) << file;
    std::filesystem::rename(file + "-away", file);
  }
  EXPECT_EQ(StoreReader(path_).num_committed_spans(), 3u);
}

}  // namespace
}  // namespace decant
