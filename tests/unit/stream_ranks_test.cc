#include <gtest/gtest.h>

#include "unit/errors.h"
#include "unit/stream_fixture.h"

namespace decant {
namespace {

// The parts of the ranks, put together.
struct GlobalBatch {
  uint32_t epoch = 0;
  std::vector<uint64_t> positions;
  std::vector<uint32_t> label_ids;
  bool operator==(const GlobalBatch&) const = default;
};

struct Ranks {
  Ranks(const std::shared_ptr<StoreSet>& stores, StreamOptions options, uint32_t world_size, unsigned threads,
        const StreamState* state = nullptr) {
    options.world_size = world_size;
    options.threads = threads;
    for (options.rank = 0; options.rank < world_size; ++options.rank) {
      streams.push_back(state ? std::make_unique<Stream>(stores, options, *state)
                              : std::make_unique<Stream>(stores, options));
    }
  }
  // False at the end, which must be that of every rank.
  bool Next(GlobalBatch* global) {
    *global = {};
    size_t num_ended = 0;
    StreamBatch batch;
    for (size_t rank = 0; rank < streams.size(); ++rank) {
      if (!streams[rank]->Next(&batch)) {
        ++num_ended;
        continue;
      }
      const uint64_t n = batch.global_size;
      EXPECT_EQ(batch.positions.size(), n * (rank + 1) / streams.size() - n * rank / streams.size());
      EXPECT_EQ(batch.labels.size(), batch.positions.size());
      global->epoch = batch.epoch;
      global->positions.insert(global->positions.end(), batch.positions.begin(), batch.positions.end());
      global->label_ids.insert(global->label_ids.end(), batch.labels.ids.begin(), batch.labels.ids.end());
    }
    EXPECT_TRUE(num_ended == 0 || num_ended == streams.size()) << num_ended << " ranks ended alone";
    return num_ended == 0;
  }
  std::vector<std::unique_ptr<Stream>> streams;
};

std::vector<GlobalBatch> AllOf(Ranks ranks) {
  std::vector<GlobalBatch> batches;
  for (GlobalBatch batch; ranks.Next(&batch);) batches.push_back(batch);
  return batches;
}

class StreamMatrixTest : public StreamTest, public testing::WithParamInterface<std::tuple<LastBatch, uint32_t>> {};

TEST_P(StreamMatrixTest, RanksThreadsAndRestoresLeaveTheGlobalBatches) {
  MakeCompleteStore(path_, schema_);
  const auto stores = Open();
  const StreamOptions options = {
      .batch_size = std::get<1>(GetParam()), .num_epochs = 4, .last_batch = std::get<0>(GetParam())};
  const std::vector<GlobalBatch> expected = AllOf(Ranks(stores, options, 1, 1));
  size_t num_samples = 0;
  for (const GlobalBatch& batch : expected) num_samples += batch.positions.size();
  const uint32_t full = 22 / options.batch_size * options.batch_size;
  switch (options.last_batch) {
    case LastBatch::kShort:
      EXPECT_EQ(num_samples, 4u * 22);
      break;
    case LastBatch::kDrop:
      EXPECT_EQ(num_samples, 4u * full);
      break;
    case LastBatch::kPad:
      EXPECT_EQ(num_samples, 4u * (full + (full < 22 ? options.batch_size : 0)));
      EXPECT_TRUE(full == 22 || expected[22 / options.batch_size].positions.back() ==
                                    options.batch_size - 1 - 22 % options.batch_size);
      break;
  }
  const std::vector<uint32_t> world_sizes = {1, 2, 3, 4, 8};
  for (size_t w = 0; w < world_sizes.size(); ++w) {
    const uint32_t world_size = world_sizes[w];
    for (const unsigned threads : {1u, 2u, 4u}) {
      SCOPED_TRACE(fmt::format("{} ranks, {} threads", world_size, threads));
      EXPECT_EQ(AllOf(Ranks(stores, options, world_size, threads)), expected);
    }
    const uint32_t other = world_sizes[(w + 2) % world_sizes.size()];
    Ranks ranks(stores, options, world_size, 2);
    GlobalBatch batch;
    for (size_t step = 0; step <= expected.size(); ++step) {
      SCOPED_TRACE(fmt::format("{} ranks, restored after step {} by {}", world_size, step, other));
      const StreamState state = ranks.streams.back()->state();
      const std::vector<GlobalBatch> rest(expected.begin() + static_cast<std::ptrdiff_t>(step), expected.end());
      EXPECT_EQ(AllOf(Ranks(stores, options, other, 1, &state)), rest);
      ranks.Next(&batch);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Batches, StreamMatrixTest,
                         testing::Combine(testing::Values(LastBatch::kShort, LastBatch::kDrop, LastBatch::kPad),
                                          testing::Values(8u, 11u, 16u, 22u)));

TEST_F(StreamTest, RestoresWithAnotherBatchSize) {
  MakeCompleteStore(path_, schema_);
  const auto stores = Open();
  Stream stream(stores, {.batch_size = 5, .num_epochs = 2}, At(0, 12));
  StreamBatch batch;
  for (const uint64_t size : {5u, 5u, 5u, 5u, 5u, 5u, 2u}) {
    ASSERT_TRUE(stream.Next(&batch));
    EXPECT_EQ(batch.positions.size(), size);
    ExpectContent(batch);
  }
  EXPECT_FALSE(stream.Next(&batch));
}

TEST_F(StreamTest, RefusesRanksThatCannotBe) {
  MakeCompleteStore(path_, schema_);
  const auto refused = [&](const StreamOptions& options, const char* text) {
    EXPECT_THAT([&] { Stream(Open(), options); }, FailsWith(ErrorCode::kInvalidArgument, text));
  };
  refused({.batch_size = 2, .world_size = 3}, "rank 0 of 3 with global batches of 2");
  refused({.rank = 2, .world_size = 2}, "rank 2 of 2");
  refused({.world_size = 0}, "of 0");
  refused({.batch_size = 23, .last_batch = LastBatch::kDrop}, "batches of 23 samples, of which an epoch has 22");
  refused({.epochs = {0, 3}}, "epoch 3, but there are 2");
  EXPECT_THAT(
      [&] {
        Stream(Open(), {.epochs = {1, 0}}, At(0, 4));
      },
      FailsWith(ErrorCode::kMismatch, "in epoch 0 of the store, but training epoch 0 reads 1"));
}

}  // namespace
}  // namespace decant
