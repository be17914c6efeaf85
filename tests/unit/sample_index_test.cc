#include "sample_index.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/base/hash.h"

#include "unit/errors.h"
#include "unit/put_file.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

// An index of three samples, "tar" with everything in it unless a test takes something out.
class SampleIndexTest : public testing::Test {
 protected:
  SampleIndexTest() {
    meta_ = {.kind = "tar",
             .decodable = true,
             .num_classes = 9,
             .files = {{"a.tar", {100, 5}}, {"b.tar", {200, 6}}},
             .class_names = {"cat", "dog"},
             .left_out = {{"b.tar/x.jpg", "not an image"}},
             .names_digest = "aa",
             .content_digest = "bb"};
    for (const std::string_view name : {"first.jpg", "", "third.png"}) columns_.AddName(name);
    columns_.sizes = {10, 0, uint64_t{1} << 40};
    columns_.offsets = {512, 1024, 7};
    columns_.hashes = {1, 2, 3};
    columns_.files = {0, 1, 1};
    columns_.labels = {8, 0, 3};
  }
  std::string Write() {
    WriteSampleIndex(path_, meta_, columns_);
    return ReadFile(path_);
  }
  void ExpectRefused(const std::string& content, const std::string& text) {
    PutFile(path_, content);
    EXPECT_THAT([&] { SampleIndex{path_}; }, FailsWith(ErrorCode::kDataLoss, text));
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("the.index");
  IndexMeta meta_;
  IndexColumns columns_;
};

TEST_F(SampleIndexTest, ReadsWhatWasWritten) {
  Write();
  const SampleIndex index(path_);
  EXPECT_EQ(index.meta().kind, "tar");
  EXPECT_TRUE(index.meta().decodable);
  EXPECT_EQ(index.meta().num_classes, 9u);
  EXPECT_EQ(index.meta().files, meta_.files);
  EXPECT_EQ(index.meta().class_names, meta_.class_names);
  EXPECT_EQ(index.meta().left_out.at(0).name, "b.tar/x.jpg");
  EXPECT_EQ(index.meta().left_out.at(0).reason, "not an image");
  EXPECT_EQ(index.meta().names_digest, "aa");
  EXPECT_EQ(index.meta().content_digest, "bb");
  ASSERT_EQ(index.num_samples(), 3u);
  for (uint64_t id = 0; id < 3; ++id) {
    EXPECT_EQ(index.Name(id), columns_.Name(id));
    EXPECT_EQ(index.Size(id), columns_.sizes[id]);
    EXPECT_EQ(index.Offset(id), columns_.offsets[id]);
    EXPECT_EQ(index.Hash(id), columns_.hashes[id]);
    EXPECT_EQ(index.File(id), columns_.files[id]);
    EXPECT_EQ(index.Label(id), columns_.labels[id]);
  }
  EXPECT_THAT([&] { index.Size(3); }, FailsWith(ErrorCode::kInvalidArgument, "sample 3 is not below"));
}

TEST_F(SampleIndexTest, ColumnsMayBeMissing) {
  columns_.offsets.clear();
  columns_.files.clear();
  columns_.hashes.clear();
  columns_.labels.clear();
  Write();
  const SampleIndex index(path_);
  EXPECT_EQ(index.Name(2), "third.png");
  EXPECT_EQ(index.Offset(2), 0u);
  EXPECT_EQ(index.Label(2), 0u);
  EXPECT_FALSE(index.has_labels());
  EXPECT_FALSE(index.has_hashes());
}

// docs/data.md has this example.
TEST_F(SampleIndexTest, LiesInTheFileAsTheDocumentationSays) {
  const std::string bytes = Write();
  const auto number = [&](size_t offset, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
    return value;
  };
  EXPECT_EQ(bytes.substr(0, 4), "DIDX");
  EXPECT_EQ(number(4, 2), 1u);
  EXPECT_EQ(number(6, 2), 7u);
  EXPECT_EQ(number(8, 8), bytes.size());
  EXPECT_EQ(number(16, 8), 3u);
  const uint64_t meta_size = number(24, 8);
  EXPECT_EQ(number(32, 8), 18u);
  const size_t columns = 64 + meta_size;
  Xxh3Stream checksum;
  checksum.Update(bytes.data() + columns, bytes.size() - columns);
  EXPECT_EQ(Hex(bytes.substr(40, 16)), Hex(checksum.Digest()));
  EXPECT_EQ(number(56, 8), Xxh3(bytes.substr(0, 56) + bytes.substr(64, meta_size)));
  EXPECT_EQ(nlohmann::json::parse(bytes.substr(64, meta_size)).at("kind"), "tar");
  EXPECT_EQ(number(columns, 8), 10u) << "sizes";
  EXPECT_EQ(number(columns + 24, 8), 9u) << "ends of names";
  EXPECT_EQ(number(columns + 48, 8), 512u) << "offsets";
  EXPECT_EQ(number(columns + 72, 8), 1u) << "hashes";
  EXPECT_EQ(number(columns + 100, 4), 1u) << "files";
  EXPECT_EQ(number(columns + 108, 4), 8u) << "labels";
  EXPECT_EQ(bytes.substr(columns + 120), "first.jpgthird.png");
}

TEST_F(SampleIndexTest, EveryTruncationIsRefused) {
  const std::string bytes = Write();
  for (size_t size = bytes.size(); size-- > 0;) {
    std::filesystem::resize_file(path_, size);
    EXPECT_THAT([&] { SampleIndex{path_}; }, FailsWith(ErrorCode::kDataLoss, "delete it")) << size;
  }
  ExpectRefused(bytes + "x", "damaged index: expected");
}

TEST_F(SampleIndexTest, EveryFlippedByteIsRefused) {
  const std::string bytes = Write();
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&](size_t at, int byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte)).flush();
  };
  for (size_t at = 0; at < bytes.size(); ++at) {
    put(at, bytes[at] ^ (1 << at % 8));
    EXPECT_THROW(SampleIndex{path_}, Error) << "byte " << at;
    put(at, bytes[at]);
  }
  EXPECT_EQ(SampleIndex(path_).num_samples(), 3u);
}

TEST_F(SampleIndexTest, EachRefusalHasItsWords) {
  const std::string bytes = Write();
  const auto with = [&](size_t offset, std::string_view part) {
    return std::string(bytes).replace(offset, part.size(), part);
  };
  ExpectRefused("DIDX", "4 bytes, the header alone has 64");
  ExpectRefused(with(0, "PNG!"), "not an index of a dataset; set data.index to another file");
  ExpectRefused(with(6, "\x08"), "flags 0x8");
  ExpectRefused(with(20, "\x01"), "sizes do not make up the file");
  ExpectRefused(with(24, "\xff\xff\xff\xff\xff\xff\xff\xff"), "sizes do not make up the file");
  ExpectRefused(with(70, "?"), "the checksum of its header does not fit");
  ExpectRefused(with(bytes.size() - 1, "?"), "the checksum of its columns does not fit");
  PutFile(path_, with(4, "\x02"));
  EXPECT_THAT([&] { SampleIndex{path_}; }, FailsWith(ErrorCode::kMismatch, "an index of version 2, expected 1"));
}

TEST_F(SampleIndexTest, ValuesOutOfBoundsAreRefusedWhereTheyAreUsed) {
  columns_.files[1] = 2;
  columns_.labels[1] = 9;
  columns_.name_ends[1] = 1000;
  Write();
  const SampleIndex index(path_);
  EXPECT_THAT([&] { index.File(1); }, FailsWith(ErrorCode::kDataLoss, "the file of sample 1 is out of bounds"));
  EXPECT_THAT([&] { index.Label(1); }, FailsWith(ErrorCode::kDataLoss, "the class of sample 1 is out of bounds"));
  EXPECT_THAT([&] { index.Name(1); }, FailsWith(ErrorCode::kDataLoss, "the name of sample 1 is out of bounds"));
  EXPECT_THAT([&] { index.Name(2); }, FailsWith(ErrorCode::kDataLoss, "the name of sample 2 is out of bounds"));
}

TEST_F(SampleIndexTest, NoPlaceForItNamesTheKey) {
  EXPECT_THAT([&] { WriteSampleIndex(directory_.File("no/such/folder"), meta_, columns_); },
              FailsWith(ErrorCode::kNotFound, "set data.index to a file that can be written"));
}

TEST_F(SampleIndexTest, LeavesNothingElseBehind) {
  Write();
  Write();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(SampleIndexTest, NamesThatAreNotUtf8AreSpeltOut) {
  EXPECT_EQ(Utf8Name("caf\xc3\xa9.jpg"), "caf\xc3\xa9.jpg");
  EXPECT_EQ(Utf8Name("caf\xe9.jpg"), "caf%E9.jpg");
}

}  // namespace
}  // namespace decant
