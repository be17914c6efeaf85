#include "decant/store/codec_tables.h"

#include <gtest/gtest.h>

#include "unit/codec_cases.h"
#include "unit/errors.h"

namespace decant {
namespace {

const CodecParams kParams = {.num_classes = 13, .k = 3, .delta = 0.25};
constexpr size_t kHeaderBytes = 5;
constexpr size_t kOrderBytes = 7;  // 13 ids of 4 bits

CodecTables SomeTables() {
  CodecTables tables = LearnTables(kParams, MakeLabels(kParams, {.num_labels = 50}), Prior::kNone);
  tables.class_order = {12, 0, 3, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11};
  tables.anchored = true;
  return tables;
}

void ExpectRefused(const std::string& payload, const std::string& text) {
  EXPECT_THAT([&] { ParseTables(kParams, payload); }, FailsWith(ErrorCode::kDataLoss, "codec tables: " + text));
}

std::string Patched(size_t offset, std::string_view bytes) {
  std::string payload = EncodeTables(kParams, SomeTables());
  payload.replace(offset, bytes.size(), bytes);
  return payload;
}

TEST(CodecTablesTest, ComeBack) {
  const CodecTables tables = SomeTables();
  EXPECT_EQ(ParseTables(kParams, EncodeTables(kParams, tables)), tables);
  for (const uint32_t num_classes : {1u, 2u, 255u, 256u, 0xffffffffu}) {
    const CodecParams params = {.num_classes = num_classes, .k = 1, .delta = 0.25};
    const CodecTables by_default = DefaultTables(params);
    const std::string payload = EncodeTables(params, by_default);
    EXPECT_EQ(payload.size(), kHeaderBytes + 128 * (CodecTables::kNumKinds + 2 * NumContexts(num_classes)));
    EXPECT_EQ(ParseTables(params, payload), by_default) << num_classes;
  }
}

TEST(CodecTablesTest, HavePinnedBytes) {
  const std::string payload = EncodeTables(kParams, SomeTables());
  EXPECT_EQ(payload.substr(0, kHeaderBytes + kOrderBytes), std::string("\x0d\0\0\0\x03"
                                                                       "\x0c\x13\x42\x65\x87\xa9\x0b",
                                                                       kHeaderBytes + kOrderBytes));
  EXPECT_EQ(payload.size(), kHeaderBytes + kOrderBytes + 128 * (7 + 2 * 5));
}

TEST(CodecTablesTest, EachContextIsADistancesBits) {
  EXPECT_EQ(NumContexts(1), 2u);
  EXPECT_EQ(NumContexts(10), 5u);
  EXPECT_EQ(NumContexts(0xffffffff), 33u);
}

TEST(CodecTablesTest, TruncationAtEveryByteIsRefused) {
  const std::string payload = EncodeTables(kParams, SomeTables());
  for (size_t size = 0; size < payload.size(); ++size) ExpectRefused(payload.substr(0, size), "");
  ExpectRefused(payload + "x", fmt::format("expected {} bytes, found {}", payload.size(), payload.size() + 1));
}

TEST(CodecTablesTest, OfOtherClassesAreRefused) {
  ExpectRefused(Patched(0, "\x0e"), "number of classes: expected 13, found 14");
}
TEST(CodecTablesTest, UnknownFlagsAreRefused) {
  ExpectRefused(Patched(4, "\x07"), "unknown flags 7");
}
TEST(CodecTablesTest, ClassThatComesTwiceIsRefused) {
  ExpectRefused(Patched(kHeaderBytes, "\xcc"), "the order of 13 classes has 12 twice or too high");
}
TEST(CodecTablesTest, ClassThatIsTooHighIsRefused) {
  ExpectRefused(Patched(kHeaderBytes, "\x0d"), "the order of 13 classes has 13 twice or too high");
}
TEST(CodecTablesTest, PaddingOfTheOrderIsRefused) {
  ExpectRefused(Patched(kHeaderBytes + kOrderBytes - 1, "\x1b"), "padding bits that are not zero");
}
TEST(CodecTablesTest, LongCodesAreRefused) {
  ExpectRefused(Patched(kHeaderBytes + kOrderBytes, "\xbb"), "a code of 11 bits");
}
TEST(CodecTablesTest, IncompleteCodesAreRefused) {
  ExpectRefused(Patched(kHeaderBytes + kOrderBytes, std::string(128, '\0')), "not a complete code with an escape");
}
TEST(CodecTablesTest, CodesWithoutAnEscapeAreRefused) {
  ExpectRefused(Patched(kHeaderBytes + kOrderBytes, "\x11" + std::string(127, '\0')),
                "not a complete code with an escape");
}
// The last code too, not only the first.
TEST(CodecTablesTest, EveryCodeIsChecked) {
  const std::string payload = EncodeTables(kParams, SomeTables());
  for (size_t end = payload.size(); end >= payload.size() - 16 * 128; end -= 128) {
    ExpectRefused(Patched(end - 128, std::string(128, '\0')), "not a complete code with an escape");
  }
}

TEST(CodecTablesTest, CodecRefusesTablesOfAnotherSize) {
  const CodecParams other = {.num_classes = 1000, .k = 3, .delta = 0.25};
  EXPECT_THAT([&] { ChunkCodec codec(other, SomeTables()); },
              FailsWith(ErrorCode::kInvalidArgument, "the codec tables are not for 1000 classes"));
}

}  // namespace
}  // namespace decant
