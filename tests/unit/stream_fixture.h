#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "decant/consumer/stream.h"

#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {

// A store of two epochs of 22 samples in chunks of 4, and what its streams must give.
class StreamTest : public testing::Test {
 protected:
  std::shared_ptr<StoreSet> Open() { return std::make_shared<StoreSet>(std::make_shared<StoreReader>(path_)); }
  StreamState At(uint32_t epoch, uint64_t position) const {
    return {SchemaDigest(schema_), epoch, epoch % schema_.layout.num_epochs, position};
  }
  // What a stream must give for these positions of an epoch of the store.
  LabelBatch ExpectedLabels(uint32_t store_epoch, const std::vector<uint64_t>& positions) {
    LabelBatch& all = epochs_[store_epoch];
    for (uint64_t chunk = 0; all.size() < schema_.layout.num_samples; ++chunk) {
      const LabelBatch labels = StoredLabelsOfChunk(schema_, store_epoch, chunk);
      all.AppendRange(labels, 0, labels.size());
    }
    LabelBatch labels;
    for (const uint64_t position : positions) labels.AppendRange(all, position, position + 1);
    return labels;
  }
  // The samples that a batch has belong to its positions, and so do the labels.
  void ExpectContent(const StreamBatch& batch) {
    const Order order(OrderKind::kGlobal, schema_.seed, batch.store_epoch, 22);
    ASSERT_EQ(batch.sample_ids.size(), batch.positions.size());
    for (size_t i = 0; i < batch.positions.size(); ++i) {
      EXPECT_EQ(batch.sample_ids[i], order.SampleAt(batch.positions[i]));
    }
    EXPECT_TRUE(SameLabels(batch.labels, ExpectedLabels(batch.store_epoch, batch.positions)));
  }
  void ExpectBatch(const StreamBatch& batch, uint32_t epoch, uint64_t begin, uint64_t end) {
    EXPECT_EQ(batch.epoch, epoch);
    EXPECT_EQ(batch.store_epoch, epoch % schema_.layout.num_epochs);
    EXPECT_EQ(batch.position, begin);
    EXPECT_EQ(batch.global_size, end - begin);
    ASSERT_EQ(batch.positions.size(), end - begin);
    for (uint64_t i = 0; i < batch.positions.size() && epoch < schema_.layout.num_epochs; ++i) {
      EXPECT_EQ(batch.positions[i], begin + i);
    }
    ExpectContent(batch);
  }
  // Reads the stream to its end, from this place on.
  void ExpectRest(Stream& stream, const StreamOptions& options, uint32_t epoch, uint64_t position) {
    StreamBatch batch;
    for (; epoch < options.num_epochs; ++epoch, position = 0) {
      while (position < 22) {
        const uint64_t end = std::min<uint64_t>(position + options.batch_size, 22);
        ASSERT_TRUE(stream.Next(&batch));
        ExpectBatch(batch, epoch, position, end);
        EXPECT_EQ(stream.state().epoch, epoch);
        EXPECT_EQ(stream.state().position, end);
        position = end;
      }
    }
    EXPECT_FALSE(stream.Next(&batch));
    EXPECT_FALSE(stream.Next(&batch)) << "the end stays the end";
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store");
  const Schema schema_ = SmallSchema();
  std::map<uint32_t, LabelBatch> epochs_;  // stored labels, by store epoch
};

}  // namespace decant
