// This build reads the golden files of every version of the format, and refuses damaged ones with the words it had.
#include <bit>
#include <filesystem>

#include <gtest/gtest.h>

#include "unit/codec_cases.h"
#include "unit/golden_records.h"

namespace decant {
namespace {

using nlohmann::json;

const std::string kDirectory = std::string(DECANT_SOURCE_DIR) + "/tests/golden/v1";

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const CodecCase& a_case : CodecCases()) names.push_back(a_case.name);
  return names;
}

class GoldenTest : public testing::TestWithParam<std::string> {};

void ExpectFloats(const json& expected_bits, const std::vector<float>& found, const std::string& what) {
  ASSERT_EQ(expected_bits.size(), found.size()) << what;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(expected_bits[i].get<uint32_t>(), std::bit_cast<uint32_t>(found[i])) << what << " " << i;
  }
}

TEST_P(GoldenTest, ChunkIsDecodedBitForBit) {
  const GoldenRecords golden(kDirectory, GetParam());
  const ChunkCodec codec = MakeCodec(golden.schema());
  const LabelCodes codes = codec.Decode(golden.place(), golden.chunk());
  const json& expected = golden.decoded();
  EXPECT_EQ(expected["offsets"], codes.offsets);
  EXPECT_EQ(expected["ids"], codes.ids);
  EXPECT_EQ(expected["values"], codes.values);
  EXPECT_EQ(expected["tails"], codes.tails);
  EXPECT_EQ(expected["other_tails"], codes.other_tails);
  EXPECT_EQ(expected["true_values"], codes.true_values);
  EXPECT_EQ(expected["extras"], codes.extras);
  EXPECT_EQ(expected["tie_ranks"], codes.tie_ranks);
  EXPECT_EQ(expected["windows"], codes.windows);
  EXPECT_EQ(expected["window_hashes"], codes.window_hashes);
  EXPECT_EQ(expected.value("view_fingerprints", json::array()), codes.view_fingerprints);
  Xxh3Stream digest;
  UpdateContentDigest(golden.place(), codes, &digest);
  EXPECT_EQ(expected["content_digest"], Hex(digest.Digest()));
  for (size_t t = 0; t < codec.params().temperatures.size(); ++t) {
    LabelBatch labels;
    codec.DecodeLabels(golden.place(), golden.chunk(), &labels, t);
    ExpectFloats(expected[fmt::format("log_probs_{}", t)], labels.log_probs, "log_probs");
    ExpectFloats(expected[fmt::format("tail_mass_{}", t)], labels.tail_mass, "tail_mass");
    if (codec.params().true_label) ExpectFloats(expected["true_log_probs"], labels.true_log_probs, "true_log_probs");
  }
}

TEST_P(GoldenTest, LabelsHaveOneEncoding) {
  const GoldenRecords golden(kDirectory, GetParam());
  const ChunkCodec codec = MakeCodec(golden.schema());
  EXPECT_EQ(codec.Encode(golden.place(), codec.Decode(golden.place(), golden.chunk())), golden.chunk());
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenTest, testing::ValuesIn(Names()), [](const auto& test) { return test.param; });

TEST(GoldenLedgerTest, RecordsAreSound) {
  const GoldenRecords golden(kDirectory, "variable_counts");
  for (const char* kind : {"trailer", "expiry", "seal"}) {
    const std::string record = ReadFile(kDirectory + "/" + kind + ".bin");
    EXPECT_EQ(golden.Refusal(kind, record), "") << kind;
  }
  EXPECT_EQ(ReadFile(kDirectory + "/trailer.bin"), EncodeTrailer(GoldenTrailer(0)));
}

TEST(GoldenDamageTest, EachKindIsRefusedWithItsMessage) {
  const json damages = json::parse(ReadFile(kDirectory + "/damage/damage.json"));
  ASSERT_GT(damages.size(), 80u);
  for (const json& damage : damages) {
    const std::string file = damage["file"];
    const GoldenRecords golden(kDirectory, damage["case"]);
    EXPECT_EQ(golden.Refusal(damage["kind"], ReadFile(kDirectory + "/damage/" + file)), damage["message"]) << file;
  }
}

}  // namespace
}  // namespace decant
