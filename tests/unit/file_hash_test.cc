#include <filesystem>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/base/hash.h"

#include "unit/errors.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

class FileTest : public testing::Test {
 protected:
  const TemporaryDirectory directory_;
};

TEST_F(FileTest, WrittenFileIsReadBack) {
  const std::string path = directory_.File("a/b/file");
  std::string content(200000, 'x');
  content[777] = '\0';
  WriteFileAtomically(path, content);
  EXPECT_EQ(ReadFile(path), content);
  WriteFileAtomically(path, "");
  EXPECT_EQ(ReadFile(path), "") << "replaced";
}

TEST_F(FileTest, WritingLeavesNoTemporaryFile) {
  WriteFileAtomically(directory_.File("file"), "1");
  WriteFileAtomically(directory_.File("file"), "2");
  const auto entries = std::filesystem::directory_iterator(directory_.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(FileTest, FailedWriteLeavesEverythingAsItWas) {
  const std::string path = directory_.File("folder");
  CreateDirectories(path + "/inner");
  EXPECT_THAT([&] { WriteFileAtomically(path, "x"); }, FailsWith(ErrorCode::kUnavailable, "cannot rename to " + path));
  EXPECT_TRUE(std::filesystem::is_directory(path + "/inner"));
  const auto entries = std::filesystem::directory_iterator(directory_.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "no temporary file";
}

TEST_F(FileTest, PlacesThatCannotBeFailClearly) {
  const std::string file = directory_.File("file");
  WriteFileAtomically(file, "x");
  EXPECT_THAT([&] { WriteFileAtomically(file + "/below", "y"); }, FailsWith(ErrorCode::kUnavailable, file));
  EXPECT_THAT([&] { CreateDirectories(file + "/below"); },
              FailsWith(ErrorCode::kUnavailable, "cannot create directory " + file));
  const std::string long_name = directory_.File(std::string(300, 'x'));
  EXPECT_THAT([&] { WriteFileAtomically(long_name, "y"); },
              FailsWith(ErrorCode::kUnavailable, "cannot create " + long_name));
  EXPECT_THAT([&] { ReadFile(directory_.File("nothing")); }, FailsWith(ErrorCode::kNotFound, "cannot read"));
  EXPECT_THAT([&] { ReadFile(directory_.path()); }, FailsWith(ErrorCode::kUnavailable, "cannot read"));
  EXPECT_THAT([&] { SyncDirectory(directory_.File("nothing")); }, FailsWith(ErrorCode::kNotFound, "cannot open"));
}

TEST_F(FileTest, CreatingADirectoryTwiceIsFine) {
  CreateDirectories(directory_.File("a/b/c"));
  CreateDirectories(directory_.File("a/b/c"));
  EXPECT_TRUE(std::filesystem::is_directory(directory_.File("a/b/c")));
}

// FIPS 180-2, appendix B.
TEST(HashTest, Sha256GivesKnownAnswers) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_F(FileTest, Sha256OfAFileIsThatOfItsContent) {
  const std::string content(3000000, 'q');
  WriteFileAtomically(directory_.File("file"), content);
  EXPECT_EQ(Sha256HexOfFile(directory_.File("file")), Sha256Hex(content));
  EXPECT_THAT([&] { Sha256HexOfFile(directory_.File("nothing")); }, FailsWith(ErrorCode::kNotFound, "cannot read"));
  EXPECT_THAT([&] { Sha256HexOfFile(directory_.path()); }, FailsWith(ErrorCode::kUnavailable, "cannot read"));
}

// The buffer of xxHash's own sanity tests.
std::string SanityBuffer(size_t size) {
  std::string bytes;
  for (uint64_t generator = 2654435761; bytes.size() < size; generator *= 11400714785074694797u) {
    bytes.push_back(static_cast<char>(generator >> 56));
  }
  return bytes;
}

// From xxHash's sanity tests: XXH3 with seed 0.
TEST(HashTest, Xxh3GivesKnownAnswers) {
  EXPECT_EQ(Xxh3(""), 0x2d06800538d394c2u);
  EXPECT_EQ(Xxh3(SanityBuffer(1)), 0xc44bdff4074eecdbu);
  EXPECT_EQ(Xxh3(SanityBuffer(6)), 0x27b56a84cd2d7325u);
  EXPECT_EQ(Xxh3(SanityBuffer(12)), 0xa713daf0dfbb77e7u);
  EXPECT_EQ(Xxh3(SanityBuffer(24)), 0xa3fe70bf9d3510ebu);
  EXPECT_EQ(Xxh3(SanityBuffer(2367)), 0xcb37aeb9e5d361edu);
  EXPECT_EQ(Hex(Xxh3Stream().Digest()), "99aa06d3014798d86001c324468d497f");
}

TEST(HashTest, StreamDoesNotDependOnItsPieces) {
  const std::string bytes = SanityBuffer(3000);
  Xxh3Stream whole, pieces;
  whole.Update(bytes.data(), bytes.size());
  std::string_view rest = bytes;
  for (size_t size = 0; !rest.empty(); ++size) {
    const std::string_view piece = rest.substr(0, size);
    pieces.Update(piece.data(), piece.size());
    rest.remove_prefix(piece.size());
  }
  EXPECT_EQ(whole.Digest(), pieces.Digest());
  EXPECT_EQ(whole.Digest(), whole.Digest()) << "taking it does not change it";
  EXPECT_NE(whole.Digest(), Xxh3Stream().Digest());
}

TEST(HashTest, HexIsLowerCase) {
  EXPECT_EQ(Hex(std::string_view("\x00\x9f\xff", 3)), "009fff");
}

}  // namespace
}  // namespace decant
