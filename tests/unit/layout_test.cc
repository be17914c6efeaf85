#include "decant/store/layout.h"

#include <gtest/gtest.h>

#include "unit/errors.h"

namespace decant {
namespace {

constexpr Layout kLayout = {.num_samples = 22, .num_epochs = 3, .chunk_size = 4, .span_chunks = 4};

TEST(LayoutTest, CountsLabelsChunksAndSpans) {
  EXPECT_EQ(kLayout.num_labels(), 66u);
  EXPECT_EQ(kLayout.chunks_per_epoch(), 6u);
  EXPECT_EQ(kLayout.spans_per_epoch(), 2u);
  EXPECT_EQ(kLayout.num_spans(), 6u);
}

TEST(LayoutTest, LastChunkAndLastSpanAreShort) {
  EXPECT_EQ(kLayout.ChunkSamples(0), 4u);
  EXPECT_EQ(kLayout.ChunkSamples(4), 4u);
  EXPECT_EQ(kLayout.ChunkSamples(5), 2u);
  EXPECT_EQ(kLayout.SpanAt(2), (Span{.index = 2, .epoch = 1, .chunk_begin = 0, .chunk_end = 4}));
  EXPECT_EQ(kLayout.SpanAt(3), (Span{.index = 3, .epoch = 1, .chunk_begin = 4, .chunk_end = 6}));
}

// Whatever the sizes: spans cover every chunk once, in order, and chunks every position.
TEST(LayoutTest, SpansPartitionTheLabels) {
  for (const uint64_t num_samples : {1u, 7u, 8u, 9u, 100u}) {
    for (const uint32_t chunk_size : {1u, 3u, 8u, 200u}) {
      for (const uint32_t span_chunks : {1u, 2u, 5u, 300u}) {
        const Layout layout = {num_samples, 2, chunk_size, span_chunks};
        layout.Validate();
        uint64_t num_labels = 0, next_chunk = 0;
        for (uint64_t index = 0; index < layout.num_spans(); ++index) {
          const Span span = layout.SpanAt(index);
          EXPECT_EQ(span.epoch * layout.chunks_per_epoch() + span.chunk_begin, next_chunk);
          ASSERT_LT(span.chunk_begin, span.chunk_end);
          for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
            EXPECT_EQ(layout.SpanOf(span.epoch, chunk), span);
            num_labels += layout.ChunkSamples(chunk);
          }
          next_chunk += span.chunk_end - span.chunk_begin;
        }
        EXPECT_EQ(num_labels, layout.num_labels());
      }
    }
  }
}

TEST(LayoutTest, RejectsSpansOutOfRange) {
  EXPECT_THAT([] { kLayout.SpanAt(6); },
              FailsWith(ErrorCode::kInvalidArgument, "span 6 is not below the number of spans, 6"));
}

TEST(LayoutTest, RejectsFieldsOfZero) {
  kLayout.Validate();
  const auto expect_refused = [](Layout layout) {
    EXPECT_THAT([&] { layout.Validate(); }, FailsWith(ErrorCode::kInvalidArgument, "must all be at least 1"));
  };
  expect_refused({0, 1, 1, 1});
  expect_refused({1, 0, 1, 1});
  expect_refused({1, 1, 0, 1});
  expect_refused({1, 1, 1, 0});
}

TEST(LayoutTest, RejectsMoreLabelsThanPositionsCanName) {
  constexpr uint64_t kMost = uint64_t{1} << 48;
  Layout{kMost, 1, 1 << 20, 1 << 10}.Validate();
  Layout{kMost / 4, 4, 1 << 20, 1 << 10}.Validate();
  EXPECT_THAT(
      [] {
        (Layout{kMost + 1, 1, 1000, 10}.Validate());
      },
      FailsWith(ErrorCode::kInvalidArgument, "more than 2^48 labels"));
  EXPECT_THAT(
      [] {
        (Layout{kMost / 4 + 1, 4, 1000, 10}.Validate());
      },
      FailsWith(ErrorCode::kInvalidArgument, "more than 2^48 labels"));
  EXPECT_THAT(
      [] {
        (Layout{~uint64_t{0}, ~uint32_t{0}, 1000, 10}.Validate());
      },
      FailsWith(ErrorCode::kInvalidArgument, "more than 2^48 labels"));
}

TEST(LayoutTest, RejectsMoreSpansThanFilesMakeSense) {
  Layout{1 << 20, 1, 1, 1}.Validate();
  EXPECT_THAT(
      [] {
        (Layout{(1 << 20) + 1, 1, 1, 1}.Validate());
      },
      FailsWith(ErrorCode::kInvalidArgument, "raise labels.chunk_size"));
}

TEST(LayoutTest, RejectsHugeChunks) {
  Layout{10, 1, 1 << 20, 1}.Validate();
  EXPECT_THAT(
      [] {
        (Layout{10, 1, (1 << 20) + 1, 1}.Validate());
      },
      FailsWith(ErrorCode::kInvalidArgument, "chunk_size 1048577 is more than 1048576"));
}

}  // namespace
}  // namespace decant
