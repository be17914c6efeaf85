#include "decant/consumer/store_set.h"

#include <cmath>

#include <gtest/gtest.h>

#include "decant/consumer/densify.h"
#include "decant/consumer/stream.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class StoreSetTest : public testing::Test {
 protected:
  // A complete store of this schema, whose labels are those of another teacher for every name.
  std::shared_ptr<StoreReader> Make(const std::string& name, Schema schema) {
    const std::string path = directory_.File(name);
    schema.teacher = {{"digest", name}};
    StoreWriter writer(path, schema);
    for (const uint64_t index : writer.MissingSpans()) {
      const Span span = schema.layout.SpanAt(index);
      SpanWriter file(schema, path, span, "a");
      for (uint64_t chunk = span.chunk_begin; chunk < span.chunk_end; ++chunk) {
        LabelBatch labels = RandomLabels({.num_labels = schema.layout.ChunkSamples(chunk),
                                          .num_classes = schema.codec.num_classes,
                                          .k = schema.codec.k,
                                          .variable_counts = true,
                                          .seed = 100 * span.epoch + chunk + (name.front() << 16)});
        for (uint64_t i = 0; i < labels.size() && schema.codec.view_fingerprints; ++i) {
          labels.view_fingerprints.push_back(FingerprintOf(span.epoch, i + (name.back() == '!' ? 1 : 0)));
        }
        file.AddChunk(labels);
      }
      writer.Commit({file.Finish()});
    }
    writer.Seal();
    return std::make_shared<StoreReader>(path);
  }
  std::vector<float> Dense(const LabelBatch& labels) const {
    std::vector<float> rows(labels.size() * schema_.codec.num_classes);
    Densify(labels, {.num_classes = schema_.codec.num_classes}, std::as_writable_bytes(std::span(rows)));
    return rows;
  }
  void ExpectRefused(const std::shared_ptr<StoreReader>& a, const std::shared_ptr<StoreReader>& b, Combine combine,
                     double temperature, const std::string& text) {
    EXPECT_THAT([&] { StoreSet({a, b}, combine, temperature); }, FailsWith(ErrorCode::kMismatch, text));
  }

  const TemporaryDirectory directory_;
  const Schema schema_ = SmallSchema();
};

// With every teacher's own tail spread evenly, the average is that of the dense targets: to the rounding of float32.
TEST_F(StoreSetTest, TeachersAverageToTheDenseAverage) {
  Schema other = schema_;
  other.codec.k = 5;
  other.codec.delta = 0.25;
  other.tables = std::make_shared<CodecTables>(DefaultTables(other.codec));
  const auto a = Make("a", schema_), b = Make("b", other), c = Make("c", schema_);
  const std::vector<std::shared_ptr<StoreReader>> teachers = {a, b, c};
  const StoreSet set(teachers, Combine::kTeachers, 2);
  EXPECT_EQ(set.num_epochs(), 2u);
  for (uint32_t epoch = 0; epoch < 2; ++epoch) {
    for (uint64_t chunk = 0; chunk < 6; ++chunk) {
      LabelBatch average;
      set.ReadSamples(epoch, chunk, 0, schema_.layout.ChunkSamples(chunk), &average);
      const std::vector<float> found = Dense(average);
      std::vector<double> expected(found.size());
      for (const auto& teacher : teachers) {
        LabelBatch labels;
        teacher->ReadChunk(epoch, chunk, &labels);
        const std::vector<float> rows = Dense(labels);
        for (size_t i = 0; i < rows.size(); ++i) expected[i] += double{rows[i]} / 3;
      }
      for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-7) << i;
      for (size_t i = 0; i < average.size(); ++i) {
        EXPECT_TRUE(std::ranges::is_sorted(average.LabelIds(i), std::less_equal()));
      }
    }
  }
}

TEST_F(StoreSetTest, ATeacherThatListsEverythingLeavesNoTail) {
  LabelBatch some, all, average;
  some.Append(std::vector{2u}, std::vector{std::log(0.4f)}, 0.6f);
  all.Append(std::vector{0u, 1u, 2u, 3u}, std::vector{-INFINITY, std::log(0.5f), std::log(0.25f), std::log(0.25f)}, 0);
  AppendAverages({some, all}, 4, &average);
  EXPECT_EQ(average.ids, (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(average.tail_mass, std::vector<float>{0});
  const float expected[] = {0.1f, 0.35f, 0.325f, 0.225f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(std::exp(average.log_probs[i]), expected[i], 1e-6);
}

TEST_F(StoreSetTest, EpochsStandSideBySide) {
  Schema later = SmallSchema(3);
  later.seed = 6;
  const auto a = Make("a", schema_), b = Make("b", later);
  const auto set = std::make_shared<StoreSet>(std::vector{a, b}, Combine::kEpochs, 2);
  EXPECT_EQ(set->num_epochs(), 5u);
  EXPECT_EQ(set->EpochOf(1).store, a.get());
  EXPECT_EQ(set->EpochOf(2).store, b.get());
  EXPECT_EQ(set->EpochOf(2).epoch, 0u);
  EXPECT_THAT([&] { set->EpochOf(5); }, FailsWith(ErrorCode::kInvalidArgument, "epoch 5, but there are 5"));
  EXPECT_NE(set->digest(), StoreSet({b, a}, Combine::kEpochs, 2).digest());
  Stream stream(set, {.batch_size = 22, .num_epochs = 5});
  StreamBatch batch;
  for (uint32_t epoch = 0; epoch < 5; ++epoch) {
    ASSERT_TRUE(stream.Next(&batch));
    const StoreSet::Epoch place = set->EpochOf(epoch);
    const Order order(OrderKind::kGlobal, place.store->schema().seed, place.epoch, 22);
    LabelBatch expected;
    for (uint64_t i = 0; i < 22; ++i) {
      place.store->ReadLabel(place.epoch, i, &expected);
      EXPECT_EQ(batch.sample_ids[i], order.SampleAt(i));
    }
    EXPECT_EQ(batch.labels.ids, expected.ids);
    EXPECT_EQ(batch.labels.log_probs, expected.log_probs);
  }
}

// Few samples are decoded one by one, many with their chunk: the same labels.
TEST_F(StoreSetTest, ReadsAnyPartOfAChunk) {
  for (const bool windows : {false, true}) {
    Schema schema = SmallSchema(1);
    schema.layout = {.num_samples = 40, .num_epochs = 1, .chunk_size = 20, .span_chunks = 1};
    schema.codec.windows = windows;
    schema.codec.view_fingerprints = true;
    const std::string path = directory_.File(windows ? "windows" : "views");
    MakeCompleteStore(path, schema);
    const StoreReader store(path);
    LabelBatch all;
    store.ReadChunk(0, 1, &all);
    for (uint32_t begin = 0; begin <= 20; ++begin) {
      for (uint32_t end = begin; end <= 20; ++end) {
        LabelBatch part, expected;
        store.ReadSamples(0, 1, begin, end, &part);
        expected.AppendSamples(all, begin, end);
        EXPECT_EQ(part.ids, expected.ids) << begin << " to " << end;
        EXPECT_EQ(part.log_probs, expected.log_probs);
        EXPECT_EQ(part.offsets, expected.offsets);
        EXPECT_EQ(part.window_offsets, expected.window_offsets);
        EXPECT_EQ(part.window_hashes, expected.window_hashes);
        EXPECT_EQ(part.view_fingerprints, expected.view_fingerprints);
      }
    }
    LabelBatch none;
    EXPECT_THAT([&] { store.ReadSamples(0, 1, 3, 21, &none); },
                FailsWith(ErrorCode::kInvalidArgument, "chunk 1 of epoch 0: samples [3, 21) of 20"));
    EXPECT_THAT([&] { store.IsLabelled(0, 2); }, FailsWith(ErrorCode::kInvalidArgument, "2 chunks"));
    EXPECT_TRUE(store.IsLabelled(0, 1));
  }
}

TEST_F(StoreSetTest, RefusesStoresThatDoNotBelongTogether) {
  const auto a = Make("a", schema_);
  Schema other = schema_;
  other.seed = 6;
  const auto other_seed = Make("s", other);
  ExpectRefused(a, other_seed, Combine::kTeachers, 2, "are no set: seed expected 5, found 6");
  EXPECT_EQ(StoreSet({a, other_seed}, Combine::kEpochs, 2).num_epochs(), 4u);
  other = schema_;
  other.views = {{"crop", "random"}};
  ExpectRefused(a, Make("v", other), Combine::kTeachers, 2, "views expected");
  other = schema_;
  other.dataset["fingerprint"] = "xyz";
  ExpectRefused(a, Make("d", other), Combine::kEpochs, 2, "dataset expected");
  other = schema_;
  other.codec.temperatures = {1};
  ExpectRefused(a, Make("t", other), Combine::kTeachers, 2, "the labels hold at temperature 1, not at 2");
  ExpectRefused(a, a, Combine::kTeachers, 1, "the labels hold at temperature 2, not at 1");
  EXPECT_THAT([&] { StoreSet({}, Combine::kEpochs, 1); }, FailsWith(ErrorCode::kInvalidArgument, "no stores"));
}

TEST_F(StoreSetTest, TeachersThatSawOtherViewsAreTold) {
  Schema schema = schema_;
  schema.codec.view_fingerprints = true;
  const StoreSet set({Make("a", schema), Make("b!", schema)}, Combine::kTeachers, 2);
  LabelBatch labels;
  EXPECT_THAT([&] { set.ReadSamples(1, 2, 0, 4, &labels); },
              FailsWith(ErrorCode::kMismatch, "epoch 1, chunk 2 from sample 0: label 0: teachers that saw different"));
}

}  // namespace
}  // namespace decant
