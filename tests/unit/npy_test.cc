#include "decant/data/npy.h"

#include <gtest/gtest.h>

#include "decant/base/file.h"

#include "unit/errors.h"
#include "unit/npz_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

void ExpectRefused(const std::string& content, ErrorCode code, const std::string& text) {
  EXPECT_THAT([&] { ParseNpy(content, "the array"); }, FailsWith(code, "the array: " + text));
}

TEST(NpyTest, ReadsShapesDtypesAndElements) {
  const NpyArray array = ParseNpy(MakeNpy("|u1", "(2, 3)", "abcdef"), "x");
  EXPECT_EQ(array.descr, "|u1");
  EXPECT_EQ(array.shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(array.bytes, "abcdef");

  const NpyArray row = ParseNpy(MakeNpy("<i8", "(2,)", Elements<int64_t>({1, -1})), "x");
  EXPECT_EQ(row.shape, (std::vector<uint64_t>{2}));
  EXPECT_EQ(row.bytes.size(), 16u);

  const NpyArray scalar = ParseNpy(MakeNpy("<f4", "()", "1234"), "x");
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_EQ(scalar.bytes, "1234");

  EXPECT_TRUE(ParseNpy(MakeNpy("<f8", "(0, 7)", ""), "x").bytes.empty());
}

TEST(NpyTest, ReadsFormatsTwoAndThree) {
  const std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";
  for (const uint8_t major : {2, 3}) {
    ByteWriter writer;
    writer.PutBytes("\x93NUMPY");
    writer.Put(major);
    writer.Put(uint8_t{0});
    writer.PutString(header);
    writer.PutBytes("ab");
    EXPECT_EQ(ParseNpy(writer.bytes(), "x").bytes, "ab");
  }
}

TEST(NpyTest, RejectsTruncationAtEveryByte) {
  const std::string content = MakeNpy("<u2", "(2, 2)", "12345678");
  for (size_t size = 0; size < content.size(); ++size) {
    EXPECT_THAT([&] { ParseNpy(content.substr(0, size), "the array"); }, FailsWith(ErrorCode::kDataLoss, "the array: "))
        << size;
  }
  ExpectRefused(content + "9", ErrorCode::kDataLoss, "expected 8 bytes of elements, found 9");
}

TEST(NpyTest, RejectsOtherFiles) {
  ExpectRefused("PK\3\4 zip", ErrorCode::kDataLoss, "not a NumPy array");
  std::string content = MakeNpy("|u1", "(1,)", "a");
  content[6] = 4;
  ExpectRefused(content, ErrorCode::kDataLoss, "NumPy array format 4");
}

TEST(NpyTest, RejectsFortranOrder) {
  ExpectRefused(MakeNpyWithHeader("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 1), }", "a"),
                ErrorCode::kInvalidArgument, "the array is in Fortran order");
}

TEST(NpyTest, RejectsHeadersWithoutTheirFields) {
  const auto code = ErrorCode::kDataLoss;
  ExpectRefused(MakeNpyWithHeader("{'fortran_order': False, 'shape': (1,), }", "a"), code, "no 'descr'");
  ExpectRefused(MakeNpyWithHeader("{'descr': '|u1', 'shape': (1,), }", "a"), code, "no 'fortran_order'");
  ExpectRefused(MakeNpyWithHeader("{'descr': '|u1', 'fortran_order': False, }", "a"), code, "no 'shape'");
}

TEST(NpyTest, RejectsShapesThatCannotBe) {
  const auto code = ErrorCode::kDataLoss;
  ExpectRefused(MakeNpy("|u1", "3", "abc"), code, "no shape");
  ExpectRefused(MakeNpy("|u1", "(3", "abc"), code, "no shape");
  ExpectRefused(MakeNpy("|u1", "(-3,)", "abc"), code, "bad shape");
  ExpectRefused(MakeNpy("|u1", "(3x,)", "abc"), code, "bad shape");
  ExpectRefused(MakeNpy("|u1", "(99999999999999999999,)", "abc"), code, "bad shape");
  ExpectRefused(MakeNpy("<i8", "(4294967296, 4294967296)", "abc"), code, "impossible shape");
}

TEST(NpyTest, RejectsDtypesWithoutASize) {
  for (const char* descr : {"|O", "", "i", "<f0", "<f99", "|S1a"}) {
    ExpectRefused(MakeNpy(descr, "(1,)", "a"), ErrorCode::kDataLoss, "unknown dtype");
  }
}

class NpzTest : public testing::Test {
 protected:
  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("arrays.npz");
};

TEST_F(NpzTest, ReadsArraysByName) {
  WriteZip(path_, {{"a.npy", MakeNpy("|u1", "(3,)", "abc")}, {"b.npy", MakeNpy("<u2", "(1, 1)", "12")}});
  const auto arrays = ReadNpz(path_);
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays.at("a").bytes, "abc");
  EXPECT_EQ(arrays.at("b").shape, (std::vector<uint64_t>{1, 1}));
}

TEST_F(NpzTest, NamesTheMemberThatIsNoArray) {
  WriteZip(path_, {{"a.npy", "text"}});
  EXPECT_THAT([&] { ReadNpz(path_); }, FailsWith(ErrorCode::kDataLoss, path_ + ", array 'a': truncated"));
}

TEST_F(NpzTest, NothingThereIsNotFound) {
  EXPECT_THAT([&] { ReadNpz(path_); }, FailsWith(ErrorCode::kNotFound, path_));
}

TEST_F(NpzTest, OtherFilesAreDataLoss) {
  for (const std::string& content : {std::string("hello, world"), std::string(1000, '\0')}) {
    WriteFileAtomically(path_, content);
    EXPECT_THAT([&] { ReadNpz(path_); }, FailsWith(ErrorCode::kDataLoss, path_ + ": not a sound .npz file"));
  }
}

TEST_F(NpzTest, TruncationInAnArrayIsDataLoss) {
  WriteZip(path_,
           {{"a.npy", MakeNpy("|u1", "(10000,)", std::string(10000, 'a'))}, {"b.npy", MakeNpy("|u1", "(1,)", "b")}});
  const std::string content = ReadFile(path_);
  for (const size_t size : {size_t{40}, content.size() / 4, content.size() / 3}) {
    WriteFileAtomically(path_, content.substr(0, size));
    EXPECT_THAT([&] { ReadNpz(path_); }, FailsWith(ErrorCode::kDataLoss, path_)) << size;
  }
}

}  // namespace
}  // namespace decant
