#include "decant/consumer/stream.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "unit/errors.h"
#include "unit/stream_fixture.h"

namespace decant {
namespace {

// 22 samples in chunks of 4: batches that divide chunks, straddle them, span several, hold an epoch
// or more.
TEST_F(StreamTest, BatchesOfAnySizeComeInOrder) {
  MakeCompleteStore(path_, schema_);
  const auto store = Open();
  for (const uint32_t batch_size : {1u, 2u, 3u, 4u, 5u, 7u, 9u, 11u, 21u, 22u, 23u, 1000u}) {
    for (const uint32_t read_ahead : {1u, 2u, 100u}) {
      SCOPED_TRACE(fmt::format("batches of {}, {} chunks ahead", batch_size, read_ahead));
      const StreamOptions options = {.batch_size = batch_size, .num_epochs = 2, .chunks_read_ahead = read_ahead};
      Stream stream(store, options);
      ExpectRest(stream, options, 0, 0);
    }
  }
}

TEST_F(StreamTest, EpochsOfTheStoreAreUsedAgain) {
  MakeCompleteStore(path_, schema_);
  const StreamOptions options = {.batch_size = 6, .num_epochs = 5};
  Stream stream(Open(), options);
  ExpectRest(stream, options, 0, 0);
}

TEST_F(StreamTest, FewerEpochsThanTheStoreHas) {
  MakeCompleteStore(path_, schema_);
  const StreamOptions options = {.batch_size = 6, .num_epochs = 1};
  Stream stream(Open(), options);
  ExpectRest(stream, options, 0, 0);
}

TEST_F(StreamTest, NoEpochsGiveNoBatches) {
  MakeCompleteStore(path_, schema_);
  Stream stream(Open(), {.num_epochs = 0});
  StreamBatch batch;
  EXPECT_FALSE(stream.Next(&batch));
}

TEST_F(StreamTest, ReadsNothingAheadOfZeroChunksToo) {
  MakeCompleteStore(path_, schema_);
  const StreamOptions options = {.batch_size = 5, .num_epochs = 2, .chunks_read_ahead = 0};
  Stream stream(Open(), options);
  ExpectRest(stream, options, 0, 0);
}

TEST_F(StreamTest, ContinuesFromEveryStateInMidEpoch) {
  MakeCompleteStore(path_, schema_);
  const auto store = Open();
  for (const uint32_t batch_size : {3u, 4u, 7u}) {
    const StreamOptions options = {.batch_size = batch_size, .num_epochs = 3};
    for (uint32_t epoch = 0; epoch < 3; ++epoch) {
      for (uint64_t position = 0; position < 22; position += batch_size) {
        SCOPED_TRACE(fmt::format("position {} of epoch {}", position, epoch));
        Stream stream(store, options, At(epoch, position));
        ExpectRest(stream, options, epoch, position);
      }
    }
  }
}

TEST_F(StreamTest, StateContinuesWhereItWasTaken) {
  MakeCompleteStore(path_, schema_);
  const auto store = Open();
  const StreamOptions options = {.batch_size = 5, .num_epochs = 2};
  Stream stream(store, options);
  EXPECT_EQ(stream.state().position, 0u);
  StreamBatch batch;
  for (int i = 0; i < 3; ++i) stream.Next(&batch);
  const StreamState state = stream.state();
  EXPECT_EQ(state.schema_digest, SchemaDigest(schema_));
  EXPECT_EQ(state.position, 15u);
  stream.Next(&batch);

  Stream restored(store, options, state);
  EXPECT_EQ(restored.state().position, 15u);
  StreamBatch again;
  ASSERT_TRUE(restored.Next(&again));
  EXPECT_EQ(again.sample_ids, batch.sample_ids);
  EXPECT_TRUE(SameLabels(again.labels, batch.labels));
}

TEST_F(StreamTest, ContinuesFromTheStateAtTheEndOfAnEpoch) {
  MakeCompleteStore(path_, schema_);
  const StreamOptions options = {.batch_size = 5, .num_epochs = 3};
  for (int repetition = 0; repetition < 20; ++repetition) {
    Stream stream(Open(), options, At(0, 22));
    EXPECT_EQ(stream.state().epoch, 1u);
    ExpectRest(stream, options, 1, 0);
  }
}

TEST_F(StreamTest, StateAfterTheLastEpochGivesNothing) {
  MakeCompleteStore(path_, schema_);
  Stream stream(Open(), {.num_epochs = 2}, At(2, 0));
  StreamBatch batch;
  EXPECT_FALSE(stream.Next(&batch));
}

TEST_F(StreamTest, RefusesTheStateOfAnotherStore) {
  MakeCompleteStore(path_, schema_);
  Schema other = schema_;
  other.seed = 6;
  EXPECT_THAT([&] { Stream(Open(), {}, {SchemaDigest(other)}); },
              FailsWith(ErrorCode::kMismatch, "belongs to another store"));
  EXPECT_THAT([&] { Stream(Open(), {}, StreamState{}); }, FailsWith(ErrorCode::kMismatch, "belongs to another store"));
}

TEST_F(StreamTest, RefusesNonsense) {
  MakeCompleteStore(path_, schema_);
  EXPECT_THAT([&] { Stream(Open(), {}, At(0, 23)); }, FailsWith(ErrorCode::kInvalidArgument, "position 23 of 22"));
  EXPECT_THAT([&] { Stream(Open(), {.batch_size = 0}); }, FailsWith(ErrorCode::kInvalidArgument, "batches of 0"));
}

TEST_F(StreamTest, NeedsTheEpochsItReadsToBeComplete) {
  MakeStore(path_, schema_, {0, 1, 2, 3, 5});
  const auto store = Open();
  const StreamOptions first = {.batch_size = 4, .num_epochs = 1};
  Stream stream(store, first);
  ExpectRest(stream, first, 0, 0);
  for (const uint32_t num_epochs : {2u, 3u}) {
    EXPECT_THAT([&] { Stream(store, {.num_epochs = num_epochs}); },
                FailsWith(ErrorCode::kNotFound, "epoch 1 is not complete (5 of 6 spans"));
  }
}

TEST_F(StreamTest, DoesNotAskForEpochsThatAreBehindIt) {
  MakeStore(path_, schema_, {3, 4, 5});
  const StreamOptions options = {.batch_size = 4, .num_epochs = 2};
  const auto store = Open();
  Stream stream(store, options, At(1, 8));
  ExpectRest(stream, options, 1, 8);
  EXPECT_THAT([&] { Stream(store, {.num_epochs = 3}, At(1, 8)); },
              FailsWith(ErrorCode::kNotFound, "epoch 0 is not complete"));
}

TEST_F(StreamTest, RefusesAnOrderOfAnotherBuild) {
  Schema newer = schema_;
  newer.order["version"] = 2;
  MakeCompleteStore(path_, newer);
  EXPECT_THAT([&] { Stream(Open(), {}); }, FailsWith(ErrorCode::kMismatch, "version"));
}

// 22 samples of 1 to 3 labels: what samples have stays with them, wherever batches begin.
TEST_F(StreamTest, SamplesKeepTheirWindowsAndFingerprints) {
  for (const bool windows : {false, true}) {
    Schema schema = schema_;
    schema.codec.windows = windows;
    schema.codec.view_fingerprints = true;
    const std::string path = path_ + (windows ? "_windows" : "_views");
    MakeCompleteStore(path, schema);
    const auto store = std::make_shared<StoreReader>(path);
    const auto stores = std::make_shared<StoreSet>(store);
    for (const uint32_t batch_size : {1u, 4u, 5u, 9u, 22u}) {
      SCOPED_TRACE(fmt::format("batches of {}, windows: {}", batch_size, windows));
      Stream stream(stores, {.batch_size = batch_size, .num_epochs = 3});
      StreamBatch batch;
      uint64_t num_samples = 0;
      while (stream.Next(&batch)) {
        const size_t size = batch.sample_ids.size();
        ASSERT_EQ(batch.labels.num_samples(), size);
        std::vector<uint16_t> rendered;
        LabelBatch expected;
        for (size_t i = 0; i < size; ++i) {
          rendered.push_back(FingerprintOf(batch.store_epoch, batch.positions[i]));
          store->ReadLabel(batch.store_epoch, batch.positions[i], &expected);
        }
        EXPECT_TRUE(SameLabels(batch.labels, expected));
        EXPECT_EQ(batch.labels.window_offsets, expected.window_offsets);
        EXPECT_EQ(batch.labels.window_hashes, expected.window_hashes);
        EXPECT_EQ(batch.labels.view_fingerprints, rendered);
        EXPECT_EQ(expected.view_fingerprints, rendered);
        CheckViewFingerprints(batch, rendered);
        num_samples += size;
      }
      EXPECT_EQ(num_samples, 66u);
    }
  }
}

TEST_F(StreamTest, NamesTheFirstViewThatTheTeacherDidNotSee) {
  Schema schema = schema_;
  schema.codec.view_fingerprints = true;
  MakeCompleteStore(path_, schema);
  Stream stream(Open(), {.batch_size = 5});
  StreamBatch batch;
  for (int i = 0; i < 2; ++i) stream.Next(&batch);
  std::vector<uint16_t> rendered = batch.labels.view_fingerprints;
  CheckViewFingerprints(batch, rendered);
  rendered[4] ^= 1;
  rendered[3] = 0xab;
  EXPECT_THAT(
      [&] { CheckViewFingerprints(batch, rendered); },
      FailsWith(ErrorCode::kMismatch,
                fmt::format("epoch 0, sample {} (position 8): the view is not the one that the teacher saw: its "
                            "fingerprint is 0x00ab, expected {:#06x}; check that views.seed",
                            batch.sample_ids[3], FingerprintOf(0, 8))));
  rendered.pop_back();
  EXPECT_THAT([&] { CheckViewFingerprints(batch, rendered); },
              FailsWith(ErrorCode::kInvalidArgument, "4 views for a batch of 5"));
}

TEST_F(StreamTest, AStoreWithoutFingerprintsDoesNotCheckViews) {
  MakeCompleteStore(path_, schema_);
  Stream stream(Open(), {.batch_size = 5});
  StreamBatch batch;
  stream.Next(&batch);
  EXPECT_TRUE(batch.labels.view_fingerprints.empty());
  CheckViewFingerprints(batch, std::vector<uint16_t>(5, 1));
}

// The reading thread waits for room when the stream goes: destroying must wake it.
TEST_F(StreamTest, DestroyingEarlyDoesNotHang) {
  MakeCompleteStore(path_, schema_);
  const auto store = Open();
  for (int i = 0; i < 50; ++i) {
    Stream stream(store, {.batch_size = 3, .num_epochs = 1000, .chunks_read_ahead = 1});
    StreamBatch batch;
    for (int n = 0; n < i % 4; ++n) EXPECT_TRUE(stream.Next(&batch));
  }
}

// From the second reading of an epoch on its full chunks come in a fresh order, each sample once.
TEST_F(StreamTest, EpochsThatAreReadAgainHaveTheirChunksInAFreshOrder) {
  MakeCompleteStore(path_, schema_);
  Stream stream(Open(), {.batch_size = 4, .num_epochs = 8, .epochs = {1, 0}});
  std::vector<std::vector<uint64_t>> epochs(8);
  StreamBatch batch;
  while (stream.Next(&batch)) {
    EXPECT_EQ(batch.store_epoch, batch.epoch % 2 == 0 ? 1u : 0u);
    for (size_t i = 0; i + 1 < batch.positions.size(); i += 2) {
      EXPECT_EQ(batch.positions[i] ^ 1, batch.positions[i + 1]) << "partners of a mixed view stay together";
    }
    ExpectContent(batch);
    auto& positions = epochs[batch.epoch];
    positions.insert(positions.end(), batch.positions.begin(), batch.positions.end());
  }
  std::vector<uint64_t> in_order(22);
  std::iota(in_order.begin(), in_order.end(), uint64_t{0});
  std::set<std::vector<uint64_t>> different;
  for (uint32_t epoch = 0; epoch < 8; ++epoch) {
    EXPECT_EQ(epochs[epoch] == in_order, epoch < 2) << epoch;
    different.insert(epochs[epoch]);
    std::sort(epochs[epoch].begin(), epochs[epoch].end());
    EXPECT_EQ(epochs[epoch], in_order) << epoch;
  }
  EXPECT_EQ(different.size(), 7u);
}

TEST_F(StreamTest, ReadsOneSampleAtATime) {
  MakeCompleteStore(path_, schema_);
  const auto stores = Open();
  const Order order(OrderKind::kGlobal, schema_.seed, 1, 22);
  LabelBatch labels;
  std::vector<uint64_t> positions;
  for (uint64_t sample = 0; sample < 22; ++sample) {
    ReadSample(*stores, 1, sample, &labels);
    positions.push_back(order.PositionOf(sample));
  }
  EXPECT_TRUE(SameLabels(labels, ExpectedLabels(1, positions)));
  std::vector<uint64_t> samples(22);
  std::iota(samples.begin(), samples.end(), 0);
  LabelBatch at_once;
  ReadSamples(*stores, 1, samples, &at_once);
  EXPECT_TRUE(SameLabels(labels, at_once));
  EXPECT_THAT([&] { ReadSample(*stores, 1, 22, &labels); }, FailsWith(ErrorCode::kInvalidArgument, "sample 22 of 22"));
}

TEST_F(StreamTest, PadsLabelsToRows) {
  LabelBatch labels;
  labels.Append(std::vector{4u, 2u}, std::vector{-1.0f, -2.0f}, 0.1f);
  labels.Append(std::vector{7u}, std::vector{-0.5f}, 0.2f);
  std::vector<int64_t> ids(6, -1);
  std::vector<float> log_probs(6, 1);
  PadLabels(labels, 3, ids.data(), log_probs.data());
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(ids, (std::vector<int64_t>{4, 2, 0, 7, 0, 0}));
  EXPECT_EQ(log_probs, (std::vector<float>{-1, -2, kNone, -0.5f, kNone, kNone}));
  EXPECT_THAT([&] { PadLabels(labels, 1, ids.data(), log_probs.data()); },
              FailsWith(ErrorCode::kInvalidArgument, "label 0 has 2 entries, more than 1"));
}

// A stream that begins before its labels are there gets them as they are committed.
TEST_F(StreamTest, FollowsAStoreThatIsBeingProduced) {
  MakeStore(path_, schema_, {0, 1});
  Stream stream(Open(), {.batch_size = 4, .num_epochs = 2, .wait_seconds = 60});
  std::jthread producer([&] {
    StoreWriter writer(path_, schema_);
    for (const uint64_t index : writer.MissingSpans()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      writer.Commit({WriteSpan(schema_, path_, index)});
    }
  });
  StreamBatch batch;
  uint64_t num_samples = 0;
  for (; stream.Next(&batch); num_samples += batch.positions.size()) ExpectContent(batch);
  EXPECT_EQ(num_samples, 44u);
}

TEST_F(StreamTest, WaitsNoLongerThanItIsTold) {
  MakeStore(path_, schema_, {0});
  Stream stream(Open(), {.batch_size = 4, .num_epochs = 1, .wait_seconds = 0.2});
  StreamBatch batch;
  EXPECT_THAT(
      [&] {
        while (stream.Next(&batch)) {
        }
      },
      FailsWith(ErrorCode::kUnavailable, "of epoch 0 (1 of 6 spans are labelled); `decant status"));
}

TEST_F(StreamTest, DestroyingWhileItWaitsDoesNotHang) {
  MakeStore(path_, schema_, {0});
  const Stream stream(Open(), {.batch_size = 4, .num_epochs = 1, .wait_seconds = 1e6});
}

// Chunks of several blocks of the file, so that damage to one leaves the others readable.
class LargeStreamTest : public StreamTest {
 protected:
  static Schema LargeSchema() {
    Schema schema = SmallSchema(1);
    schema.layout = {.num_samples = 1600, .num_epochs = 1, .chunk_size = 400, .span_chunks = 2};
    schema.codec = {.num_classes = 1000, .k = 100, .delta = 0x1p-8};
    schema.tables = nullptr;
    return schema;
  }
  // Changes a byte of the file of span 1 (chunks 2 and 3) in place.
  void Damage(size_t offset_from_begin) {
    const auto files = DatabaseFiles(path_, "", ".sst");
    std::fstream file(files.at(2), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset_from_begin));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset_from_begin));
    file.put(static_cast<char>(~byte));
  }

  const Schema large_ = LargeSchema();
};

TEST_F(LargeStreamTest, DamagedChunkIsDataLossThatNamesThePlace) {
  MakeCompleteStore(path_, large_);
  Damage(1000);
  Stream stream(Open(), {.batch_size = 400, .num_epochs = 3});
  StreamBatch batch;
  for (uint64_t chunk = 0; chunk < 2; ++chunk) {
    ASSERT_TRUE(stream.Next(&batch)) << "what is sound before it is read";
    EXPECT_TRUE(SameLabels(batch.labels, StoredLabelsOfChunk(large_, 0, chunk)));
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THAT([&] { stream.Next(&batch); }, FailsWith(ErrorCode::kDataLoss, path_ + ", chunk 2 of epoch 0"));
  }
}

TEST_F(LargeStreamTest, DestroyingAfterDamageDoesNotHang) {
  MakeCompleteStore(path_, large_);
  Damage(1000);
  const Stream unread(Open(), {.batch_size = 400, .chunks_read_ahead = 1});
}

}  // namespace
}  // namespace decant
