// What holds for every kind of store: CodecCases().
#include "unit/codec_cases.h"

#include <cmath>

#include <gtest/gtest.h>

#include "decant/store/store_reader.h"
#include "decant/store/store_writer.h"
#include "decant/store/verify.h"

#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class CodecCasesTest : public testing::TestWithParam<CodecCase> {
 protected:
  const CodecParams& params() const { return GetParam().params; }
  LabelBatch Labels(uint32_t num_labels = 70, uint64_t seed = 3) const {
    CaseLabels options = GetParam().labels;
    options.num_labels = num_labels;
    options.seed = seed;
    return MakeLabels(params(), options);
  }
  void ExpectRoundTrip(const LabelCodes& codes) const {
    const ChunkPlace place = PlaceOf(codes);
    EXPECT_EQ(codec_.Decode(place, codec_.Encode(place, codes)), codes);
  }

  const CodecTables tables_ = TablesOf(GetParam());
  const ChunkCodec codec_{GetParam().params, tables_};
};

TEST_P(CodecCasesTest, ChunkComesBack) {
  for (const uint32_t num_labels : {1u, 4u, 5u, 70u}) ExpectRoundTrip(codec_.Quantise(Labels(num_labels)));
}

TEST_P(CodecCasesTest, ChunkOfOtherKindsOfLabelsComesBack) {
  CaseLabels unlike = {.num_labels = 30, .variable_counts = true, .tail = false, .seed = 8};
  ExpectRoundTrip(codec_.Quantise(MakeLabels(params(), unlike)));
}

// Whole numbers that no calibration has seen: everything has an escape.
TEST_P(CodecCasesTest, AnyCodesComeBack) {
  std::mt19937_64 bits(4);
  LabelCodes codes = codec_.Quantise(Labels());
  const uint16_t largest = params().values == Values::kFp16Probs ? kFp16ZeroCode : kLargestCode;
  for (uint16_t& value : codes.values) value = static_cast<uint16_t>(bits() % (largest + 1));
  for (uint16_t& tail : codes.tails) tail = static_cast<uint16_t>(bits());
  for (uint16_t& tail : codes.other_tails) tail = static_cast<uint16_t>(bits());
  for (uint16_t& value : codes.true_values) value = static_cast<uint16_t>(bits() % (kLargestCode + 1));
  for (uint32_t& extra : codes.extras) extra = static_cast<uint32_t>(bits());
  if (params().record_order) {
    for (size_t i = 0; i < codes.size(); ++i) {
      for (uint32_t e = codes.offsets[i]; e < codes.offsets[i + 1]; ++e) {
        codes.values[e] = static_cast<uint16_t>(i);  // all equal
        codes.tie_ranks[e] = codes.offsets[i + 1] - 1 - e;
      }
    }
  }
  ExpectRoundTrip(codes);
}

TEST_P(CodecCasesTest, EncodingIsPure) {
  const LabelCodes codes = codec_.Quantise(Labels());
  EXPECT_EQ(TablesOf(GetParam()), tables_) << "the same labels give the same tables";
  const ChunkCodec other(params(), ParseTables(params(), EncodeTables(params(), tables_)));
  EXPECT_EQ(other.Encode(PlaceOf(codes), codes), codec_.Encode(PlaceOf(codes), codes));
}

TEST_P(CodecCasesTest, EntriesAscendByPlace) {
  std::vector<uint32_t> places(tables_.class_order.size());
  for (uint32_t place = 0; place < places.size(); ++place) places[tables_.class_order[place]] = place;
  const LabelCodes codes = codec_.Quantise(Labels());
  for (size_t i = 0; i < codes.size(); ++i) {
    for (uint32_t e = codes.offsets[i] + 1; e < codes.offsets[i + 1]; ++e) {
      const auto place = [&](uint32_t id) { return places.empty() ? id : places[id]; };
      ASSERT_LT(place(codes.ids[e - 1]), place(codes.ids[e])) << "label " << i;
    }
  }
}

TEST_P(CodecCasesTest, DecodeLabelsEqualsDecodeAndDequantise) {
  const LabelCodes codes = codec_.Quantise(Labels());
  const std::string record = codec_.Encode(PlaceOf(codes), codes);
  for (size_t t = 0; t < params().temperatures.size(); ++t) {
    LabelBatch at_once, in_turn;
    codec_.DecodeLabels(PlaceOf(codes), record, &at_once, t);
    codec_.Dequantise(codec_.Decode(PlaceOf(codes), record), 0, codes.size(), &in_turn, t);
    EXPECT_TRUE(SameLabels(at_once, in_turn));
    EXPECT_EQ(at_once.true_log_probs, in_turn.true_log_probs);
    EXPECT_EQ(at_once.logits, in_turn.logits);
    EXPECT_EQ(at_once.log_sum_exp, in_turn.log_sum_exp);
    if (params().windows) {
      EXPECT_EQ(at_once.window_offsets, codes.windows);
      EXPECT_EQ(at_once.window_hashes, codes.window_hashes);
    } else {
      EXPECT_EQ(in_turn.view_fingerprints, codes.view_fingerprints);
    }
    EXPECT_EQ(at_once.view_fingerprints, codes.view_fingerprints);
  }
}

TEST_P(CodecCasesTest, DecodeSampleEqualsDecode) {
  const LabelCodes codes = codec_.Quantise(Labels());
  const ChunkPlace place = PlaceOf(codes);
  const std::string record = codec_.Encode(place, codes);
  for (uint32_t sample = 0; sample < place.num_samples; ++sample) {
    const size_t begin = params().windows ? codes.windows[sample] : sample;
    const size_t end = params().windows ? codes.windows[sample + 1] : sample + 1;
    const LabelCodes found = codec_.DecodeSample(place, record, sample);
    ASSERT_EQ(found.size(), end - begin);
    LabelBatch expected_labels, found_labels;
    codec_.Dequantise(codes, begin, end, &expected_labels);
    codec_.Dequantise(found, 0, found.size(), &found_labels);
    EXPECT_TRUE(SameLabels(expected_labels, found_labels)) << "sample " << sample;
    if (params().windows) {
      EXPECT_EQ(found.window_hashes, std::vector<uint64_t>{codes.window_hashes[sample]});
    }
    if (params().view_fingerprints) {
      EXPECT_EQ(found.view_fingerprints, std::vector<uint16_t>{codes.view_fingerprints[sample]});
    } else {
      EXPECT_TRUE(found.view_fingerprints.empty());
    }
  }
}

TEST_P(CodecCasesTest, CountBitsIsTheSizeOfTheStream) {
  const LabelCodes codes = codec_.Quantise(Labels(70));
  const LabelCodes more = codec_.Quantise(Labels(140));
  const auto record_bits = [&](const LabelCodes& c) { return 8 * codec_.Encode(PlaceOf(c), c).size(); };
  EXPECT_LE(codec_.CountBits(codes), record_bits(codes));
  EXPECT_NEAR(static_cast<double>(record_bits(more) - record_bits(codes)),
              static_cast<double>(codec_.CountBits(more) - codec_.CountBits(codes)), 70 * (64.0 + 9) + 64);
}

// The largest KL at temperature `t` that docs/format.md allows.
double BoundAt(const CodecParams& params, double kl_bound, size_t t) {
  if (t == 0) return kl_bound;
  const double step = std::max(params.delta, params.max_delta);
  const double ratio = params.temperatures[0] / params.temperatures[t];
  return step * step / 8 * ratio * ratio + params.delta * params.delta / 32;
}

// The labels as the teacher gives them at temperature `t`.
LabelBatch AtTemperature(const CodecParams& params, LabelBatch labels, size_t t) {
  if (t == 0) return labels;
  const double ratio = params.temperatures[0] / params.temperatures[t];
  for (size_t i = 0; i < labels.size(); ++i) {
    double listed = 0;
    for (uint32_t e = labels.offsets[i]; e < labels.offsets[i + 1]; ++e) {
      listed += std::exp(ratio * labels.log_probs[e]);
    }
    const double tail = labels.other_tails[i * (params.temperatures.size() - 1) + t - 1];
    for (uint32_t e = labels.offsets[i]; e < labels.offsets[i + 1]; ++e) {
      labels.log_probs[e] = static_cast<float>(ratio * labels.log_probs[e] + std::log1p(-tail) - std::log(listed));
    }
    labels.tail_mass[i] = static_cast<float>(tail);
  }
  return labels;
}

TEST_P(CodecCasesTest, KlDivergenceStaysBelowTheBound) {
  const LabelBatch labels = Labels(400);
  std::vector<double> reported;
  const LabelCodes codes = codec_.Quantise(labels, &reported);
  for (size_t t = 0; t < params().temperatures.size(); ++t) {
    // Exact values keep the entries, and the tail to half a step; float32 labels are off by 5e-7.
    const double tail = params().logits() ? std::max(params().delta, params().max_delta) / 2 : 0;
    const LabelBatch teacher = AtTemperature(params(), labels, t);
    LabelBatch decoded;
    codec_.Dequantise(codes, 0, codes.size(), &decoded, t);
    for (size_t i = 0; i < labels.size(); ++i) {
      const double kl = KlDivergence(teacher, i, decoded, i);
      const double bound = BoundAt(params(), codec_.KlBound(), t) + (t == 0 ? teacher.tail_mass[i] * tail : 0) + 5e-7;
      ASSERT_LE(kl, bound) << "label " << i << ", temperature " << t;
      if (t == 0 && !params().logits()) {
        ASSERT_NEAR(reported[i], kl, 1e-6 + 1e-3 * kl);
      }
    }
  }
}

class ExactCasesTest : public CodecCasesTest {};

TEST_P(ExactCasesTest, ValuesComeBack) {
  const LabelBatch labels = Labels(200);
  LabelBatch decoded;
  codec_.Dequantise(codec_.Quantise(labels), 0, labels.size(), &decoded);
  for (size_t i = 0; i < labels.size(); ++i) {
    for (uint32_t e = labels.offsets[i]; e < labels.offsets[i + 1]; ++e) {
      const auto ids = decoded.LabelIds(i);
      const auto at = static_cast<size_t>(std::find(ids.begin(), ids.end(), labels.ids[e]) - ids.begin());
      ASSERT_LT(at, ids.size());
      EXPECT_FLOAT_EQ(decoded.LabelLogProbs(i)[at], labels.log_probs[e]);
      if (params().logits()) {
        EXPECT_EQ(decoded.logits[labels.offsets[i] + at], labels.logits[e]);
      }
    }
  }
  EXPECT_EQ(decoded.log_sum_exp, labels.log_sum_exp);
}

// Through the files of a store, at each of its temperatures.
TEST_P(CodecCasesTest, StoreComesBack) {
  const uint32_t num_samples = PlaceOf(codec_.Quantise(Labels())).num_samples;  // of a chunk
  Schema schema = SmallSchema();
  schema.layout = {.num_samples = 2 * num_samples, .num_epochs = 1, .chunk_size = num_samples, .span_chunks = 2};
  schema.codec = params();
  schema.tables = std::make_shared<CodecTables>(tables_);
  const TemporaryDirectory directory;
  const std::string path = directory.File("store");
  {
    StoreWriter writer(path, schema);
    SpanWriter span(schema, path, schema.layout.SpanAt(0), "a");
    for (const uint64_t seed : {3, 4}) span.AddChunk(Labels(70, seed));
    writer.Commit({span.Finish()});
    writer.Seal();
  }
  const VerifyReport report = VerifyStore(path, 1);
  EXPECT_TRUE(report.sound()) << report.damages.front().where << ": " << report.damages.front().what;
  EXPECT_EQ(report.num_labels, 140u);
  const StoreReader reader(path);
  EXPECT_EQ(reader.schema().codec, params());
  for (size_t t = 0; t < params().temperatures.size(); ++t) {
    for (const uint64_t chunk : {0, 1}) {
      LabelBatch expected, found;
      codec_.Dequantise(codec_.Quantise(Labels(70, 3 + chunk)), 0, 70, &expected, t);
      reader.ReadChunk(0, chunk, &found, t);
      EXPECT_TRUE(SameLabels(found, expected)) << "chunk " << chunk << ", temperature " << t;
      found.Clear();
      for (uint32_t i = 0; i < num_samples; ++i) reader.ReadLabel(0, chunk * num_samples + i, &found, t);
      EXPECT_TRUE(SameLabels(found, expected)) << "labels of chunk " << chunk << ", temperature " << t;
      LabelBatch whole;
      reader.ReadChunk(0, chunk, &whole, t);
      EXPECT_EQ(found.window_offsets, whole.window_offsets);
      EXPECT_EQ(found.window_hashes, whole.window_hashes);
      EXPECT_EQ(found.view_fingerprints, whole.view_fingerprints);
      EXPECT_EQ(whole.view_fingerprints, Labels(70, 3 + chunk).view_fingerprints);
    }
  }
}

class LearntCasesTest : public CodecCasesTest {};

TEST_P(LearntCasesTest, TablesTakeFewerBitsThanDefaultOnes) {
  LabelCodes codes = codec_.Quantise(Labels(1000));
  const uint64_t learnt = codec_.CountBits(codes);
  const ChunkCodec by_default(params());
  by_default.SortEntries(&codes);
  EXPECT_LT(learnt, by_default.CountBits(codes));
}

std::string NameOf(const testing::TestParamInfo<CodecCase>& test) {
  return test.param.name;
}
std::vector<CodecCase> CasesThat(bool (*have)(const CodecCase&)) {
  std::vector<CodecCase> cases;
  for (const CodecCase& a_case : CodecCases()) {
    if (have(a_case)) cases.push_back(a_case);
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cases, CodecCasesTest, testing::ValuesIn(CodecCases()), NameOf);
INSTANTIATE_TEST_SUITE_P(Cases, ExactCasesTest, testing::ValuesIn(CasesThat([](const CodecCase& c) {
                           return c.params.values != Values::kLogProbs;
                         })),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Cases, LearntCasesTest, testing::ValuesIn(CasesThat([](const CodecCase& c) {
                           return c.tables != CodecCase::kDefault;
                         })),
                         NameOf);

TEST(LearnTablesTest, EmptyCalibrationGivesTheDefaultTables) {
  const CodecParams params = {.num_classes = 50, .k = 5, .delta = 0x1p-5};
  EXPECT_EQ(LearnTables(params, LabelBatch(), Prior::kLearnt), DefaultTables(params));
}

TEST(LearnTablesTest, OneLabelIsEnough) {
  const CodecParams params = {.num_classes = 50, .k = 5, .delta = 0x1p-5};
  const LabelBatch labels = MakeLabels(params, {.num_labels = 1});
  for (const Prior prior : {Prior::kNone, Prior::kLearnt}) {
    const ChunkCodec codec(params, LearnTables(params, labels, prior));
    const LabelCodes codes = codec.Quantise(MakeLabels(params, {.num_labels = 9, .seed = 2}));
    EXPECT_EQ(codec.Decode(PlaceOf(codes), codec.Encode(PlaceOf(codes), codes)), codes);
  }
}

TEST(LearnTablesTest, WithoutAPriorClassesAreListedById) {
  const CodecParams params = {.num_classes = 50, .k = 5, .delta = 0x1p-5};
  const CodecTables tables = LearnTables(params, MakeLabels(params, {.num_labels = 100}), Prior::kNone);
  EXPECT_TRUE(tables.class_order.empty());
  EXPECT_FALSE(tables.anchored);
}

}  // namespace
}  // namespace decant
