#include "span_check.h"

#include <map>

#include <gtest/gtest.h>

#include "unit/errors.h"
#include "unit/store_maker.h"

namespace decant {
namespace {

// Span 0 of SmallSchema() beside its trailer, to be made wrong.
class SpanCheckTest : public testing::Test {
 protected:
  SpanCheckTest() {
    const Span span = schema_.layout.SpanAt(0);
    Xxh3Stream content;
    for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
      const ChunkPlace place = {span.epoch, chunk, schema_.layout.ChunkSamples(chunk)};
      const LabelCodes codes = codec_.Quantise(LabelsOfChunk(schema_, span.epoch, chunk));
      UpdateContentDigest(place, codes, &content);
      const std::string record = codec_.Encode(place, codes);
      trailer_.num_labels += codes.size();
      trailer_.num_entries += codes.ids.size();
      trailer_.chunk_bytes += record.size();
      records_[ChunkKey(span.epoch, chunk)] = record;
    }
    trailer_.content_digest = content.Digest();
  }
  void Check() const {
    CheckSpanContent(schema_.layout, codec_, trailer_, [&](const std::string& key, std::string* value) {
      const auto found = records_.find(key);
      if (found != records_.end()) *value = found->second;
      return found != records_.end();
    });
  }

  const Schema schema_ = SmallSchema();
  const ChunkCodec codec_{schema_.codec};
  SpanTrailer trailer_;
  std::map<std::string, std::string> records_;
};

TEST_F(SpanCheckTest, AcceptsItsOwnChunks) {
  EXPECT_NO_THROW(Check());
}

TEST_F(SpanCheckTest, RefusesAnotherNumberOfLabels) {
  ++trailer_.num_labels;
  EXPECT_THAT([&] { Check(); }, FailsWith(ErrorCode::kDataLoss, "trailer: expected 8 labels, found 9"));
}

TEST_F(SpanCheckTest, RefusesOtherBytes) {
  ++trailer_.chunk_bytes;
  EXPECT_THAT([&] { Check(); }, FailsWith(ErrorCode::kDataLoss, "chunks: expected"));
}

TEST_F(SpanCheckTest, RefusesOtherContent) {
  trailer_.content_digest[3] ^= 1;
  EXPECT_THAT([&] { Check(); }, FailsWith(ErrorCode::kDataLoss, "content: expected"));
}

TEST_F(SpanCheckTest, RefusesAnotherNumberOfEntries) {
  --trailer_.num_entries;
  EXPECT_THAT([&] { Check(); }, FailsWith(ErrorCode::kDataLoss, "content: expected"));
}

TEST_F(SpanCheckTest, RefusesAMissingChunk) {
  records_.erase(ChunkKey(0, 1));
  EXPECT_THAT([&] { Check(); }, FailsWith(ErrorCode::kDataLoss, "chunk 1 of epoch 0 is missing"));
}

}  // namespace
}  // namespace decant
