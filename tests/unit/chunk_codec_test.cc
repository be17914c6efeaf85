#include "decant/store/chunk_codec.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "decant/store/record.h"

#include "unit/errors.h"
#include "unit/random_labels.h"
#include "unit/store_maker.h"

namespace decant {
namespace {

const CodecParams kParams = {.num_classes = 10, .k = 3, .delta = 0.25};
constexpr ChunkPlace kPlace = {.epoch = 1, .chunk = 2, .num_samples = 2};

// Label 0: {1: 0.5, 4: 0.25}, tail 0.25. Label 1: {0: 1}, no tail.
LabelBatch TwoLabels() {
  LabelBatch labels;
  labels.Append(std::vector<uint32_t>{1, 4}, std::vector<float>{std::log(0.5f), std::log(0.25f)}, 0.25f);
  labels.Append(std::vector<uint32_t>{0}, std::vector<float>{0.0f}, 0.0f);
  return labels;
}

// One label with these entries, the rest of the mass in the tail.
LabelBatch OneLabel(std::vector<uint32_t> ids, std::vector<float> log_probs, float tail) {
  LabelBatch labels;
  labels.Append(ids, log_probs, tail);
  return labels;
}

Digest128 ContentDigest(const ChunkPlace& place, const LabelCodes& codes) {
  Xxh3Stream stream;
  UpdateContentDigest(place, codes, &stream);
  return stream.Digest();
}

struct Shape {
  uint32_t num_classes;
  uint32_t k;
  double spread;
  bool variable_counts;
};
constexpr Shape kShapes[] = {{1, 1, 1, false},    {2, 1, 3, false},    {2, 2, 3, false},     {10, 3, 2, false},
                             {10, 10, 0, false},  {10, 10, 25, true},  {17, 5, 8, true},     {256, 16, 10, false},
                             {257, 100, 4, true}, {1000, 50, 6, true}, {1000, 1, 60, false}, {1000, 1000, 40, false}};

RandomLabelOptions Options(const Shape& shape, size_t num_labels) {
  return {.num_labels = num_labels,
          .num_classes = shape.num_classes,
          .k = shape.k,
          .spread = shape.spread,
          .variable_counts = shape.variable_counts,
          .seed = 7};
}

TEST(ChunkCodecTest, QuantisesLogarithmsToTheNearestStep) {
  const LabelCodes codes = ChunkCodec(kParams).Quantise(TwoLabels());
  // -log 0.5 / 0.25 = 2.77, -log 0.25 / 0.25 = 5.55.
  EXPECT_EQ(codes.values, (std::vector<uint16_t>{3, 6, 0}));
  EXPECT_EQ(codes.tails, (std::vector<uint16_t>{6, kNoTail}));
}

TEST(ChunkCodecTest, DequantisesToNormalisedProbabilities) {
  const ChunkCodec codec(kParams);
  LabelBatch labels;
  codec.Dequantise(codec.Quantise(TwoLabels()), 0, 2, &labels);
  const double total = std::exp(-0.75) + 2 * std::exp(-1.5);
  EXPECT_NEAR(labels.log_probs[0], -0.75 - std::log(total), 1e-6);
  EXPECT_NEAR(labels.log_probs[1], -1.5 - std::log(total), 1e-6);
  EXPECT_NEAR(labels.tail_mass[0], std::exp(-1.5) / total, 1e-6);
  EXPECT_EQ(labels.log_probs[2], 0);
  EXPECT_EQ(labels.tail_mass[1], 0);
}

// The example of docs/format.md.
TEST(ChunkCodecTest, ChunkHasPinnedBytes) {
  const ChunkCodec codec(kParams);
  const LabelCodes codes = codec.Quantise(TwoLabels());
  EXPECT_EQ(Hex(codec.Encode(kPlace, codes)),
            "4443484b"
            "0100"
            "0000"
            "24000000"
            "01000000"
            "0200000000000000"
            "02000000"
            "00000000"
            "22000000"
            "040c"
            "02a22212341f3f1f1f7c"
            "f8d49479c0e7ef86");
  EXPECT_EQ(Hex(ContentDigest(kPlace, codes)), "d0d95d909f583a2eb3095db0c47c2117");
}

TEST(ChunkCodecTest, RoundTripsEveryShape) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(fmt::format("C {} k {} variable {}", shape.num_classes, shape.k, shape.variable_counts));
    const ChunkCodec codec({.num_classes = shape.num_classes, .k = shape.k, .delta = 0x1p-6});
    const LabelCodes codes = codec.Quantise(RandomLabels(Options(shape, 37)));
    const ChunkPlace place = {.epoch = 3, .chunk = uint64_t{1} << 40, .num_samples = 37};
    const std::string record = codec.Encode(place, codes);
    EXPECT_EQ(codec.Decode(place, record), codes);
  }
}

TEST(ChunkCodecTest, DecodeSampleEqualsDecode) {
  for (const Shape& shape : kShapes) {
    const ChunkCodec codec({.num_classes = shape.num_classes, .k = shape.k, .delta = 0x1p-6});
    const ChunkPlace place = {.epoch = 0, .chunk = 7, .num_samples = 19};
    const std::string record = codec.Encode(place, codec.Quantise(RandomLabels(Options(shape, 19))));
    const LabelCodes all = codec.Decode(place, record);
    LabelBatch labels;
    codec.Dequantise(all, 0, all.size(), &labels);
    for (size_t i = 0; i < all.size(); ++i) {
      const LabelCodes one = codec.DecodeSample(place, record, i);
      ASSERT_EQ(one.size(), 1u);
      LabelBatch expected, found;
      expected.AppendRange(labels, i, i + 1);
      codec.Dequantise(one, 0, 1, &found);
      EXPECT_TRUE(SameLabels(expected, found)) << "C " << shape.num_classes << " label " << i;
    }
  }
}

TEST(ChunkCodecTest, DequantiseAppendsARange) {
  const ChunkCodec codec(kParams);
  const LabelCodes codes = codec.Quantise(RandomLabels({.num_labels = 8, .variable_counts = true}));
  LabelBatch all, parts;
  codec.Dequantise(codes, 0, 8, &all);
  codec.Dequantise(codes, 0, 3, &parts);
  codec.Dequantise(codes, 3, 3, &parts);
  codec.Dequantise(codes, 3, 8, &parts);
  EXPECT_TRUE(SameLabels(all, parts));
}

TEST(ChunkCodecTest, AllClassesListedLeaveNoTail) {
  const ChunkCodec codec({.num_classes = 6, .k = 6, .delta = 0x1p-5});
  const LabelCodes codes = codec.Quantise(RandomLabels({.num_classes = 6, .k = 6}));
  LabelBatch labels;
  codec.Dequantise(codes, 0, codes.size(), &labels);
  for (size_t i = 0; i < labels.size(); ++i) {
    EXPECT_EQ(codes.tails[i], kNoTail);
    EXPECT_EQ(labels.tail_mass[i], 0);
  }
}

TEST(ChunkCodecTest, VanishingProbabilitiesTakeTheLargestCode) {
  const ChunkCodec codec({.num_classes = 4, .k = 2, .delta = 0x1p-10});
  const LabelCodes codes = codec.Quantise(OneLabel({0, 3}, {0, -1000}, 1e-38f));
  EXPECT_EQ(codes.values, (std::vector<uint16_t>{0, kLargestCode}));
  EXPECT_EQ(codes.tails, (std::vector<uint16_t>{kLargestCode}));
}

// Two listed classes, and all the mass in the tail or in them.
TEST(ChunkCodecTest, ExtremeTailsComeBack) {
  const ChunkCodec codec({.num_classes = 4, .k = 2, .delta = 0x1p-5, .temperatures = {1, 4}});
  for (const float tail : {0.0f, 1e-30f, 0.5f, 1.0f}) {
    LabelBatch labels = OneLabel({0, 3}, {std::log((1 - tail) / 2), std::log((1 - tail) / 2)}, tail);
    labels.other_tails = {tail};
    const LabelCodes codes = codec.Quantise(labels);
    for (const size_t t : {0u, 1u}) {
      LabelBatch decoded;
      codec.Dequantise(codes, 0, 1, &decoded, t);
      EXPECT_NEAR(decoded.tail_mass[0], tail, 0.01) << "temperature " << t;
      EXPECT_EQ(decoded.tail_mass[0] == 0, tail == 0);
    }
  }
}

// KL(label i || its codes) in double precision, both normalised.
double ExactKl(const LabelBatch& labels, const LabelCodes& codes, size_t i, double delta) {
  std::vector<double> p, q;
  for (uint32_t entry = labels.offsets[i]; entry < labels.offsets[i + 1]; ++entry) {
    p.push_back(std::exp(double{labels.log_probs[entry]}));
    q.push_back(std::exp(-delta * codes.values[entry]));
  }
  if (labels.tail_mass[i] > 0) {
    p.push_back(labels.tail_mass[i]);
    q.push_back(std::exp(-delta * codes.tails[i]));
  }
  const double p_total = std::accumulate(p.begin(), p.end(), 0.0);
  const double q_total = std::accumulate(q.begin(), q.end(), 0.0);
  double kl = 0;
  for (size_t c = 0; c < p.size(); ++c) {
    if (p[c] > 0) kl += p[c] / p_total * std::log(p[c] / p_total / (q[c] / q_total));
  }
  return kl;
}

// The guarantee of the codec: shapes x steps x 200 labels.
TEST(ChunkCodecTest, KlDivergenceStaysBelowTheBound) {
  // A float32 log-probability of up to 8 nats is off by 2.4e-7, the teacher's and the decoded one.
  constexpr double kFloatMargin = 5e-7;
  for (const double delta : {0x1p-10, 0x1p-6, 0.1, 1.0}) {
    double largest = 0;
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(fmt::format("C {} k {} delta {}", shape.num_classes, shape.k, delta));
      const ChunkCodec codec({.num_classes = shape.num_classes, .k = shape.k, .delta = delta});
      EXPECT_DOUBLE_EQ(codec.KlBound(), delta * delta / 8);
      const LabelBatch labels = RandomLabels(Options(shape, 200));
      const LabelCodes codes = codec.Quantise(labels);
      LabelBatch decoded;
      codec.Dequantise(codes, 0, labels.size(), &decoded);
      for (size_t i = 0; i < labels.size(); ++i) {
        const double kl = ExactKl(labels, codes, i, delta);
        ASSERT_LE(kl, codec.KlBound() + 1e-12);
        ASSERT_LE(KlDivergence(labels, i, decoded, i), codec.KlBound() + kFloatMargin);
        largest = std::max(largest, kl);
      }
    }
    EXPECT_GT(largest, 0.1 * delta * delta / 8) << "rounding that costs nothing is not measured";
  }
}

TEST(ChunkCodecTest, DecodedMassIsOne) {
  for (const Shape& shape : kShapes) {
    const ChunkCodec codec({.num_classes = shape.num_classes, .k = shape.k, .delta = 0.1});
    const LabelBatch labels = RandomLabels(Options(shape, 100));
    LabelBatch decoded;
    codec.Dequantise(codec.Quantise(labels), 0, labels.size(), &decoded);
    for (size_t i = 0; i < labels.size(); ++i) {
      double mass = decoded.tail_mass[i];
      for (const float log_prob : decoded.LabelLogProbs(i)) mass += std::exp(double{log_prob});
      ASSERT_NEAR(mass, 1, 1e-5) << "C " << shape.num_classes;
    }
  }
}

TEST(ChunkCodecTest, ContentDigestFollowsTheContent) {
  const ChunkCodec codec(kParams);
  const LabelCodes codes = codec.Quantise(TwoLabels());
  const Digest128 digest = ContentDigest(kPlace, codes);
  EXPECT_EQ(ContentDigest(kPlace, codec.Decode(kPlace, codec.Encode(kPlace, codes))), digest);

  LabelCodes changed = codes;
  changed.ids[1] = 5;
  EXPECT_NE(ContentDigest(kPlace, changed), digest) << "id";
  changed = codes;
  changed.values[0] = 4;
  EXPECT_NE(ContentDigest(kPlace, changed), digest) << "log-probability";
  changed = codes;
  changed.tails[1] = 9;
  EXPECT_NE(ContentDigest(kPlace, changed), digest) << "tail";
  EXPECT_NE(ContentDigest({.epoch = 2, .chunk = 2, .num_samples = 2}, codes), digest) << "epoch";
  EXPECT_NE(ContentDigest({.epoch = 1, .chunk = 3, .num_samples = 2}, codes), digest) << "chunk";
}

TEST(ChunkCodecTest, RejectsParametersOutOfRange) {
  const auto codec = [](CodecParams params) { return [params] { ChunkCodec refused(params); }; };
  EXPECT_THAT(codec({.num_classes = 10, .k = 0, .delta = 0.1}),
              FailsWith(ErrorCode::kInvalidArgument, "labels.k is 0"));
  EXPECT_THAT(codec({.num_classes = 10, .k = 11, .delta = 0.1}),
              FailsWith(ErrorCode::kInvalidArgument, "labels.k is 11"));
  for (const double delta : {0.0, -1.0, 0x1p-11, 1.01, std::nan("")}) {
    EXPECT_THAT(codec({.num_classes = 10, .k = 3, .delta = delta}),
                FailsWith(ErrorCode::kInvalidArgument, "labels.delta"));
  }
}

TEST(ChunkCodecTest, RejectsParametersThatDoNotGoTogether) {
  const auto expect_refused = [](CodecParams params, const std::string& text) {
    params.num_classes = 10;
    params.k = 3;
    params.delta = 0.25;
    EXPECT_THAT([&] { ChunkCodec codec(params); }, FailsWith(ErrorCode::kInvalidArgument, text));
  };
  expect_refused({.temperatures = {}}, "labels.temperatures is empty");
  expect_refused({.temperatures = {2, 1}}, "labels.temperatures has 1 after 2");
  expect_refused({.temperatures = {1, 1}}, "labels.temperatures has 1 after 1");
  expect_refused({.temperatures = {0}}, "labels.temperatures has 0 after 0");
  expect_refused({.temperatures = {1e6}}, "labels.temperatures has 1000000");
  expect_refused({.temperatures = {std::nan("")}}, "labels.temperatures has nan");
  expect_refused({.values = Values::kFp16Probs, .temperatures = {1, 2}}, "float16 probabilities have one temperature");
  expect_refused({.values = Values::kFp16Probs, .true_label = true}, "float16 probabilities have one temperature");
  expect_refused({.values = Values::kBf16Logits, .temperatures = {2}}, "labels.temperatures begins with 2");
  expect_refused({.record_order = true}, "only float16 probabilities have the order of records");
}

TEST(ChunkCodecTest, DequantiseRefusesATemperatureThatTheStoreHasNot) {
  const ChunkCodec codec(kParams);
  LabelBatch labels;
  EXPECT_THAT([&] { codec.Dequantise(codec.Quantise(TwoLabels()), 0, 2, &labels, 1); },
              FailsWith(ErrorCode::kInvalidArgument, "temperature 1 of a store that has 1"));
}

TEST(ChunkCodecTest, EncodeRefusesAnotherNumberOfLabels) {
  const ChunkCodec codec(kParams);
  const LabelCodes codes = codec.Quantise(TwoLabels());
  EXPECT_THAT([&] { codec.Encode({.epoch = 1, .chunk = 2, .num_samples = 3}, codes); },
              FailsWith(ErrorCode::kInternal, "expected 3 samples, found 2"));
}

}  // namespace
}  // namespace decant
