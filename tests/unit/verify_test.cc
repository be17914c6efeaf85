#include "decant/store/verify.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "decant/base/file.h"
#include "decant/store/store_reader.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

using testing::Contains;
using testing::Field;
using testing::HasSubstr;

class VerifyTest : public testing::Test {
 protected:
  VerifyReport Verify() { return VerifyStore(path_, 2); }
  // The files of the labels: all but the first SST, which is the schema's.
  std::vector<std::string> LabelFiles() {
    std::vector<std::string> files = DatabaseFiles(path_, "", ".sst");
    files.erase(files.begin());
    return files;
  }
  static std::string Name(const std::string& file) { return std::filesystem::path(file).filename(); }
  // Whether the report names the file; RocksDB writes its name with a leading slash.
  static bool Names(const VerifyReport& report, const std::string& file) {
    for (const Damage& damage : report.damages) {
      if (damage.where.ends_with(Name(file))) return true;
    }
    return false;
  }
  // Flips bits of one byte at a time; each must be reported as damage of the file.
  void ExpectFlipsFound(const std::string& file, const std::vector<size_t>& offsets) {
    const std::string sound = ReadFile(file);
    for (const size_t offset : offsets) {
      std::string damaged = sound;
      damaged[offset] = static_cast<char>(damaged[offset] ^ 0x41);
      WriteFileAtomically(file, damaged);
      const VerifyReport report = Verify();
      EXPECT_TRUE(Names(report, file)) << "byte " << offset << " of " << file;
      EXPECT_FALSE(report.digest) << "byte " << offset;
    }
    WriteFileAtomically(file, sound);
    EXPECT_TRUE(Verify().sound());
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store");
  const Schema schema_ = SmallSchema();
};

std::vector<size_t> Offsets(size_t size, size_t step, size_t num_last) {
  std::vector<size_t> offsets;
  for (size_t i = 0; i < size; ++i) {
    if (i % step == 0 || i + num_last >= size) offsets.push_back(i);
  }
  return offsets;
}

TEST_F(VerifyTest, CompleteStoreIsSound) {
  MakeCompleteStore(path_, schema_);
  const VerifyReport report = Verify();
  EXPECT_TRUE(report.sound());
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.num_spans, 6u);
  EXPECT_EQ(report.num_committed, 6u);
  EXPECT_EQ(report.num_labels, 44u);
  const std::vector<std::string> files = DatabaseFiles(path_, "", ".sst");
  EXPECT_EQ(report.num_files, files.size());
  uint64_t bytes = 0;
  for (const std::string& file : files) bytes += std::filesystem::file_size(file);
  EXPECT_EQ(report.file_bytes, bytes);
  EXPECT_EQ(report.digest, StoreReader(path_).digest());
}

TEST_F(VerifyTest, CountsEntries) {
  MakeCompleteStore(path_, schema_);
  uint64_t num_entries = 0;
  for (uint32_t epoch = 0; epoch < 2; ++epoch) {
    for (uint64_t chunk = 0; chunk < 6; ++chunk) {
      num_entries += LabelsOfChunk(schema_, epoch, chunk).num_entries();
    }
  }
  EXPECT_EQ(Verify().num_entries, num_entries);
}

TEST_F(VerifyTest, ReportDoesNotDependOnThreads) {
  MakeCompleteStore(path_, schema_);
  for (const unsigned num_threads : {0u, 1u, 7u}) {
    const VerifyReport report = VerifyStore(path_, num_threads);
    EXPECT_TRUE(report.sound());
    EXPECT_EQ(report.num_labels, 44u);
  }
}

TEST_F(VerifyTest, IncompleteStoreIsSoundButNotComplete) {
  MakeStore(path_, schema_, {1, 5});
  const VerifyReport report = Verify();
  EXPECT_TRUE(report.sound());
  EXPECT_FALSE(report.complete());
  EXPECT_EQ(report.num_committed, 2u);
  EXPECT_EQ(report.num_labels, 8u + 6);
  EXPECT_FALSE(report.digest);
}

TEST_F(VerifyTest, UnsealedCompleteStoreHasItsDigest) {
  {
    StoreWriter writer(path_, schema_);
    for (uint64_t span = 0; span < 6; ++span) writer.Commit({WriteSpan(schema_, path_, span)});
  }
  const VerifyReport report = Verify();
  EXPECT_TRUE(report.sound());
  EXPECT_FALSE(StoreReader(path_).digest());
  EXPECT_EQ(report.digest, StoreWriter(path_, schema_).Seal());
}

TEST_F(VerifyTest, NothingThereIsNotFound) {
  EXPECT_THAT([&] { Verify(); }, FailsWith(ErrorCode::kNotFound, "there is no label store at"));
}

TEST_F(VerifyTest, FindsFlippedBytesOfALabelFile) {
  MakeCompleteStore(path_, schema_);
  const std::string file = LabelFiles().at(3);
  ExpectFlipsFound(file, Offsets(std::filesystem::file_size(file), 7, 60));
}

TEST_F(VerifyTest, FindsFlippedBytesOfTheSchemasFile) {
  MakeCompleteStore(path_, schema_);
  const std::string file = DatabaseFiles(path_, "", ".sst").front();
  ExpectFlipsFound(file, Offsets(std::filesystem::file_size(file), 17, 60));
}

TEST_F(VerifyTest, FindsFlippedBytesOfTheSeal) {
  MakeCompleteStore(path_, schema_);
  const std::string file = path_ + "/seal";
  ExpectFlipsFound(file, Offsets(std::filesystem::file_size(file), 1, 0));
}

// RocksDB takes a MANIFEST that was cut short for one that ends there: the seal knows better.
TEST_F(VerifyTest, ASealedStoreNeverLosesSpansUnnoticed) {
  MakeCompleteStore(path_, schema_);
  const std::string manifest = DatabaseFiles(path_, "MANIFEST", "").front();
  const std::string sound = ReadFile(manifest);
  for (size_t size = 0; size < sound.size(); size += 11) {
    WriteFileAtomically(manifest, sound.substr(0, size));
    const VerifyReport report = Verify();
    EXPECT_TRUE(!report.sound() || report.complete()) << "cut to " << size << " of " << sound.size() << " bytes";
    if (report.sound()) continue;
    EXPECT_THAT([&] { StoreWriter writer(path_, schema_); }, FailsWith(ErrorCode::kDataLoss, path_)) << size;
  }
  WriteFileAtomically(manifest, sound);
  EXPECT_TRUE(Verify().sound()) << "refused writers left the files alone";
}

TEST_F(VerifyTest, NamesThePlacesInADamagedFile) {
  MakeCompleteStore(path_, schema_);
  const std::string file = LabelFiles().at(5);  // span 5: chunks 4 and 5 of epoch 1
  std::string bytes = ReadFile(file);
  bytes[30] = static_cast<char>(~bytes[30]);
  WriteFileAtomically(file, bytes);
  const VerifyReport report = Verify();
  EXPECT_THAT(report.damages, Contains(Field(&Damage::what, HasSubstr("span 5: chunks 4 to 5 of epoch 1"))));
  EXPECT_EQ(report.num_committed, 5u);
  EXPECT_EQ(report.num_labels, 44u - 6) << "goes on after damage";
}

TEST_F(VerifyTest, FindsEachOfSeveralDamagedFiles) {
  MakeCompleteStore(path_, schema_);
  for (const size_t i : {0, 2, 4}) {
    std::string bytes = ReadFile(LabelFiles()[i]);
    bytes[bytes.size() / 2] = static_cast<char>(~bytes[bytes.size() / 2]);
    WriteFileAtomically(LabelFiles()[i], bytes);
  }
  const VerifyReport report = Verify();
  for (const size_t i : {0, 2, 4}) EXPECT_TRUE(Names(report, LabelFiles()[i])) << i;
  for (const size_t i : {1, 3, 5}) EXPECT_FALSE(Names(report, LabelFiles()[i])) << i;
}

TEST_F(VerifyTest, FindsATruncatedFile) {
  MakeCompleteStore(path_, schema_);
  const std::string file = LabelFiles().at(2);
  const std::string sound = ReadFile(file);
  for (const size_t size : {size_t{0}, size_t{1}, sound.size() / 2, sound.size() - 1}) {
    WriteFileAtomically(file, sound.substr(0, size));
    EXPECT_TRUE(Names(Verify(), file)) << size << " bytes";
  }
  WriteFileAtomically(file, sound + "x");
  EXPECT_TRUE(Names(Verify(), file)) << "a byte too many";
}

TEST_F(VerifyTest, FindsAMissingFile) {
  MakeCompleteStore(path_, schema_);
  for (const std::string& file : LabelFiles()) {
    const std::string sound = ReadFile(file);
    std::filesystem::remove(file);
    const VerifyReport report = Verify();
    EXPECT_TRUE(Names(report, file)) << file;
    EXPECT_FALSE(report.digest);
    WriteFileAtomically(file, sound);
  }
  EXPECT_TRUE(Verify().sound());
}

TEST_F(VerifyTest, FindsFilesInEachOthersPlace) {
  MakeCompleteStore(path_, schema_);
  const auto files = LabelFiles();
  const std::string first = ReadFile(files[0]), second = ReadFile(files[1]);
  WriteFileAtomically(files[0], second);
  WriteFileAtomically(files[1], first);
  const VerifyReport report = Verify();
  EXPECT_TRUE(Names(report, files[0]));
  EXPECT_TRUE(Names(report, files[1]));
}

TEST_F(VerifyTest, FindsAMissingManifest) {
  MakeCompleteStore(path_, schema_);
  for (const std::string& file : DatabaseFiles(path_, "MANIFEST-")) std::filesystem::remove(file);
  EXPECT_FALSE(Verify().sound());
  EXPECT_THROW(StoreReader reader(path_), Error);
}

TEST_F(VerifyTest, FindsGarbageInCurrent) {
  MakeCompleteStore(path_, schema_);
  for (const std::string& text : {std::string("MANIFEST-999999\n"), std::string("garbage\n"),
                                  std::string("MANIFEST-000005"), std::string(), std::string(1, 0)}) {
    WriteFileAtomically(path_ + "/db/CURRENT", text);
    EXPECT_FALSE(Verify().sound()) << text;
    EXPECT_THROW(StoreReader reader(path_), Error) << text;
  }
  std::filesystem::remove(path_ + "/db/CURRENT");
  EXPECT_FALSE(Verify().sound()) << "no CURRENT";
}

TEST_F(VerifyTest, ReaderOfADamagedChunkFailsOnlyThere) {
  MakeCompleteStore(path_, schema_);
  const std::string file = LabelFiles().at(1);  // span 1: chunks 2 and 3 of epoch 0
  std::string bytes = ReadFile(file);
  bytes[20] = static_cast<char>(~bytes[20]);
  WriteFileAtomically(file, bytes);
  EXPECT_THAT(
      [&] {
        const StoreReader reader(path_);
        LabelBatch labels;
        reader.ReadChunk(0, 2, &labels);
      },
      FailsWith(ErrorCode::kDataLoss, path_));
}

}  // namespace
}  // namespace decant
