#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "decant/base/error.h"

#include "bench/codec_measurement.h"
#include "bench/fidelity.h"
#include "bench/label_codec.h"
#include "bench/small_floats.h"
#include "unit/random_labels.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

using ::testing::ElementsAre;

// A label with these log-probabilities, by rank, at ids that descend from 1000; the rest of the mass is tail.
LabelBatch LabelByRank(const std::vector<double>& log_probs) {
  std::vector<uint32_t> ids;
  std::vector<float> ascending;
  double mass = 0;
  for (size_t i = log_probs.size(); i-- > 0;) {
    ids.push_back(static_cast<uint32_t>(1000 - i));
    ascending.push_back(static_cast<float>(log_probs[i]));
    mass += std::exp(log_probs[i]);
  }
  LabelBatch labels;
  labels.Append(ids, ascending, static_cast<float>(1 - mass));
  return labels;
}

LabelBatch RoundTrip(LabelCodec* codec, const LabelBatch& labels) {
  LabelBatch decoded;
  codec->Decode(codec->Encode(labels), labels.size(), &decoded);
  return decoded;
}

TEST(SmallFloatsTest, EveryHalfPrecisionNumberUpTo1RoundTrips) {
  for (uint16_t bits = 0; bits <= 0x3c00; ++bits) EXPECT_EQ(ToFp16(FromFp16(bits)), bits);
  EXPECT_EQ(FromFp16(0x3c00), 1.0f);
  EXPECT_EQ(FromFp16(0x0001), 0x1p-24f);
  EXPECT_EQ(ToFp16(0.1f), 0x2e66);
  EXPECT_EQ(ToFp16(1.0f / 3), 0x3555);
}

TEST(SmallFloatsTest, Bfloat16RoundsToNearestEven) {
  EXPECT_EQ(ToBf16(-1.0f), 0xbf80);
  EXPECT_EQ(ToBf16(1.00390625f), 0x3f80);
  EXPECT_EQ(ToBf16(1.01171875f), 0x3f82);
  EXPECT_EQ(FromBf16(0x3f82), 1.015625f);
}

TEST(TinyVitCodecTest, ChunksHaveThePublishedBytes) {
  for (const auto& [classes, k, bytes] :
       {std::tuple(1000u, 10u, 44u), std::tuple(21841u, 100u, 404u), std::tuple(151936u, 128u, 772u)}) {
    const auto codec = MakeTinyVitCodec({.num_classes = classes, .k = k});
    const LabelBatch labels = RandomLabels({.num_labels = 3, .num_classes = classes, .k = k});
    EXPECT_EQ(codec->Encode(labels).size(), 3 * bytes);
  }
}

TEST(TinyVitCodecTest, RecordsAreSortedByProbability) {
  LabelBatch labels;
  labels.Append(std::vector<uint32_t>{3, 5, 9}, std::vector<float>{std::log(0.125f), std::log(0.5f), std::log(0.25f)},
                0.125f);
  const LabelBatch decoded = RoundTrip(MakeTinyVitCodec({.num_classes = 10, .k = 4}).get(), labels);
  EXPECT_THAT(decoded.ids, ElementsAre(5, 9, 3));
  EXPECT_THAT(decoded.log_probs, ElementsAre(std::log(0.5f), std::log(0.25f), std::log(0.125f)));
  EXPECT_FLOAT_EQ(decoded.tail_mass[0], 0.125f);
}

TEST(DistillKitCodecTest, RecordsHaveThePublishedBytes) {
  const DistillKitConfig recommended = PublishedDistillKitConfig(128);
  EXPECT_EQ(recommended.Bytes(151936, 128), 344u);
  EXPECT_EQ(recommended.Bytes(128256, 128), 328u);
  EXPECT_EQ(recommended.Bytes(32000, 128), 296u);
  const DistillKitConfig budget = PublishedDistillKitConfig(50);
  EXPECT_EQ(budget.Bytes(151936, 50), 127u);
  EXPECT_EQ(budget.Bytes(50257, 50), 114u);
  const auto codec = MakeDistillKitCodec({.num_classes = 151936, .k = 128}, recommended);
  EXPECT_EQ(codec->Encode(RandomLabels({.num_labels = 2, .num_classes = 151936, .k = 128})).size(), 2 * 344u);
}

TEST(DistillKitCodecTest, CurvesOfItsOwnTermsComeBack) {
  std::vector<double> log_probs;
  for (int rank = 0; rank < 16; ++rank) log_probs.push_back(-1.0 - 0.25 * rank);  // exact in bfloat16
  for (int t = 0; t < 84; ++t) log_probs.push_back(-5 - 0.03 * t - 0.4 * std::sqrt(t) - 2e-5 * t * t);
  const auto codec = MakeDistillKitCodec({.num_classes = 1001, .k = 100}, PublishedDistillKitConfig(100));
  const LabelBatch decoded = RoundTrip(codec.get(), LabelByRank(log_probs));
  for (uint32_t rank = 0; rank < 100; ++rank) {
    EXPECT_EQ(decoded.ids[rank], 1000 - rank);
    EXPECT_NEAR(decoded.log_probs[rank], log_probs[rank], rank < 16 ? 0 : 2e-4) << rank;
  }
}

TEST(DistillKitCodecTest, FitIsTheBestInLeastSquares) {
  std::vector<double> log_probs = {-0.5};
  for (int t = 0; t < 9; ++t) log_probs.push_back(-2 - 0.5 * t - (t % 2 ? 0.1 : 0));
  const auto codec = MakeDistillKitCodec({.num_classes = 1001, .k = 10}, PublishedDistillKitConfig(10));
  const LabelBatch decoded = RoundTrip(codec.get(), LabelByRank(log_probs));
  // The residual is orthogonal to each term.
  double constant = 0, linear = 0, root = 0;
  for (int t = 0; t < 9; ++t) {
    const double residual = decoded.log_probs[t + 1] - log_probs[t + 1];
    constant += residual;
    linear += residual * t;
    root += residual * std::sqrt(t);
  }
  EXPECT_NEAR(constant, 0, 1e-5);
  EXPECT_NEAR(linear, 0, 1e-5);
  EXPECT_NEAR(root, 0, 1e-5);
}

TEST(DistillKitCodecTest, RefusesLabelsThatTheSchemeCannotHold) {
  EXPECT_THROW(MakeDistillKitCodec({.num_classes = 10, .k = 4}, PublishedDistillKitConfig(4)), Error);
  EXPECT_THROW(MakeDistillKitCodec({.num_classes = 1000, .k = 100, .fixed_counts = false}, {}), Error);
}

class BoundedCodecTest : public ::testing::TestWithParam<bool> {};

TEST_P(BoundedCodecTest, KeepsIdsAndBound) {
  const LabelShape shape = {.num_classes = 700, .k = 20, .fixed_counts = !GetParam(), .delta = 0.125};
  const LabelBatch labels =
      RandomLabels({.num_labels = 200, .num_classes = 700, .k = 20, .spread = 6, .variable_counts = GetParam()});
  std::vector<std::unique_ptr<LabelCodec>> codecs = MakeDecantCodecs(shape);
  codecs.push_back(MakePlaneCodec(shape, 3));
  for (const auto& codec : codecs) {
    if (!codec->kl_bound()) continue;
    codec->Calibrate(labels);
    const LabelBatch decoded = RoundTrip(codec.get(), labels);
    EXPECT_EQ(decoded.ids, labels.ids) << codec->name();
    EXPECT_EQ(decoded.offsets, labels.offsets) << codec->name();
    for (size_t i = 0; i < labels.size(); ++i) {
      EXPECT_LE(CompareLabels(labels, i, decoded, i, 700).kl, *codec->kl_bound() + 5e-7) << codec->name();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, BoundedCodecTest, ::testing::Bool());

TEST(FidelityTest, IsZeroForEqualLabelsInAnyOrder) {
  LabelBatch teacher, decoded;
  teacher.Append(std::vector<uint32_t>{1, 4}, std::vector<float>{std::log(0.5f), std::log(0.25f)}, 0.25f);
  decoded.Append(std::vector<uint32_t>{4, 1}, std::vector<float>{std::log(0.25f), std::log(0.5f)}, 0.25f);
  const LabelError error = CompareLabels(teacher, 0, decoded, 0, 10);
  EXPECT_NEAR(error.kl, 0, 1e-7);
  EXPECT_NEAR(error.gradient, 0, 1e-7);
}

TEST(FidelityTest, MatchesTheFormulas) {
  LabelBatch teacher, decoded;
  teacher.Append(std::vector<uint32_t>{1, 4}, std::vector<float>{std::log(0.5f), std::log(0.25f)}, 0.25f);
  decoded.Append(std::vector<uint32_t>{1, 4}, std::vector<float>{std::log(0.25f), std::log(0.25f)}, 0.5f);
  const LabelError error = CompareLabels(teacher, 0, decoded, 0, 6);
  EXPECT_NEAR(error.kl, 0.5 * std::log(2) + 0.25 * std::log(0.5), 1e-6);
  EXPECT_NEAR(error.gradient, std::sqrt((0.0625 + 0.0625 / 4) / (0.25 + 0.0625 + 0.0625 / 4)), 1e-6);
}

TEST(FidelityTest, ALostTailCostsAFiniteAmount) {
  LabelBatch teacher, decoded;
  teacher.Append(std::vector<uint32_t>{1}, std::vector<float>{std::log(0.99f)}, 0.01f);
  decoded.Append(std::vector<uint32_t>{1}, std::vector<float>{0}, -0.001f);
  EXPECT_NEAR(CompareLabels(teacher, 0, decoded, 0, 10).kl, 0.99 * std::log(0.99) + 0.01 * std::log(0.01 / 1e-8), 1e-5);
}

TEST(CodecMeasurementTest, CountsAllBytesOfAllChunks) {
  const LabelBatch labels = RandomLabels({.num_labels = 2500, .num_classes = 1000, .k = 10});
  const ChunkedLabels chunked(labels, 1000);
  ASSERT_EQ(chunked.chunks.size(), 3u);
  EXPECT_EQ(chunked.chunks[2].size(), 500u);
  const auto codec = MakeTinyVitCodec({.num_classes = 1000, .k = 10});
  const CodecRow row = MeasureCodec(chunked, 1000, codec.get());
  EXPECT_EQ(row.codec, "tinyvit");
  EXPECT_DOUBLE_EQ(*row.bytes_per_label, 44);
  EXPECT_DOUBLE_EQ(*row.entries_per_label, 10);
  EXPECT_GT(*row.encode_entries_per_second, 0);
  EXPECT_FALSE(row.kl_bound);
}

TEST(CodecMeasurementTest, FloorsAreBinomialCoefficients) {
  EXPECT_NEAR(IdSetBits(6, 2), std::log2(15), 1e-9);
  EXPECT_NEAR(IdSetBits(1000, 10) / 8, 9.7, 0.05);
  EXPECT_NEAR(IdSetBits(21841, 100) / 8, 114.5, 0.1);
}

TEST(CodecBenchmarkTest, RowsHaveTheDocumentedKeys) {
  const nlohmann::ordered_json json = ToJson({.setting = "s", .codec = "c", .bytes_per_label = 2.5});
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("setting", "codec", "bytes_per_label", "table_bytes", "kl_mean", "kl_max", "kl_bound",
                                "gradient_error", "encode_entries_per_second", "decode_entries_per_second", "variance",
                                "entries_per_label", "note"));
  EXPECT_EQ(json["bytes_per_label"], 2.5);
  EXPECT_TRUE(json["kl_bound"].is_null());
}

TEST(CodecBenchmarkTest, RunsEveryCodecOfASetting) {
  std::vector<std::string> codecs;
  for (const CodecRow& row : RunCodecBenchmark({.setting = "c1000_k10", .num_labels = 500}, [](const auto&) {})) {
    EXPECT_EQ(row.setting, "c1000_k10");
    codecs.push_back(row.codec);
  }
  EXPECT_THAT(codecs, ::testing::IsSupersetOf({"generator_ids", "floor_ids", "tinyvit", "tinyvit_zstd19", "distillkit",
                                               "zstd3_planes", "zstd19_planes", "decant_bounded"}));
}

TEST(CodecBenchmarkTest, MeasuresTheLabelsOfAStore) {
  const TemporaryDirectory folder;
  MakeCompleteStore(folder.File("labels.decant"), SmallSchema());
  const auto rows = RunCodecBenchmark({.store = folder.File("labels.decant"), .delta = 0.125}, [](const auto&) {});
  std::vector<std::string> codecs;
  for (const CodecRow& row : rows) {
    EXPECT_EQ(row.setting, "c10_demo");
    codecs.push_back(row.codec);
  }
  EXPECT_THAT(codecs, ::testing::IsSupersetOf({"decant_store", "floor_ids", "tinyvit", "decant_bounded"}));
  EXPECT_THAT(codecs, ::testing::Not(::testing::Contains("distillkit")));  // the counts vary
  EXPECT_GT(*rows[0].kl_mean, 0);
  EXPECT_LE(*rows[0].kl_max, *rows[0].kl_bound);
}

}  // namespace
}  // namespace decant
