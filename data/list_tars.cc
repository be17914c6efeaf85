#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>

#include <archive.h>
#include <archive_entry.h>

#include "decant/base/error.h"

#include "dataset_files.h"
#include "parallel.h"

namespace decant {
namespace {

struct Member {
  std::string name;
  uint64_t offset = 0;  // of its content in the tar
  uint64_t size = 0;
};

// Of one tar.
struct TarSamples {
  IndexColumns columns;
  int64_t max_label = -1;
};

void RefuseCompressed(const InputFile& file) {
  struct Magic {
    std::string_view bytes;
    std::string_view program;
  };
  static constexpr Magic kMagics[] = {{"\x1f\x8b", "gunzip"},
                                      {"\x28\xb5\x2f\xfd", "zstd -d"},
                                      {"BZh", "bunzip2"},
                                      {{"\xfd"
                                        "7zXZ",
                                        5},
                                       "unxz"},
                                      {"\x04\x22\x4d\x18", "lz4 -d"}};
  char start[8] = {};
  file.ReadAt(0, start, std::min<uint64_t>(file.size(), sizeof start));
  for (const Magic& magic : kMagics) {
    if (std::string_view(start, sizeof start).starts_with(magic.bytes)) {
      Fail(ErrorCode::kInvalidArgument,
           "{}: a compressed tar, in which no image can be found without unpacking all before it; unpack it with '{}'",
           file.path(), magic.program);
    }
  }
}

// Reads a tar's members, one after the other. Their content is skipped unless it is asked for.
class TarReader {
 public:
  explicit TarReader(const std::string& path) : file_(path), tar_(archive_read_new(), archive_read_free) {
    RefuseCompressed(file_);
    archive_read_support_filter_none(tar_.get());
    archive_read_support_format_tar(tar_.get());
    constexpr size_t kBlockBytes = 64 << 10;
    Check(archive_read_open_filename(tar_.get(), path.c_str(), kBlockBytes));
  }

  // False at the tar's end. Only regular files are members.
  bool Next(Member* member) {
    for (;;) {
      archive_entry* entry = nullptr;
      if (Check(archive_read_next_header(tar_.get(), &entry)) == ARCHIVE_EOF) {
        CheckEnd();
        return false;
      }
      // Names in pax headers are UTF-8, which not every locale can express.
      const char* name = archive_entry_pathname(entry);
      if (name == nullptr) name = archive_entry_pathname_utf8(entry);
      member->name = name == nullptr ? "" : name;
      member->offset = static_cast<uint64_t>(archive_filter_bytes(tar_.get(), 0));
      member->size = static_cast<uint64_t>(archive_entry_size(entry));
      end_ = member->offset + member->size;
      if (end_ > file_.size() || member->size > file_.size()) {
        Fail(ErrorCode::kDataLoss, "{}: cut short: '{}' has {} bytes from byte {} on, the file {}", file_.path(),
             Utf8Name(member->name), member->size, member->offset, file_.size());
      }
      if (archive_entry_sparse_count(entry) > 0) {
        Fail(ErrorCode::kInvalidArgument, "{}: '{}' is stored as a sparse file; make the tar without --sparse",
             file_.path(), Utf8Name(member->name));
      }
      if (archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr) return true;
    }
  }
  std::string Content(const Member& member) const {
    std::string content(member.size, '\0');
    file_.ReadAt(member.offset, content.data(), content.size());
    return content;
  }
  const std::string& path() const { return file_.path(); }

 private:
  int Check(int result) const {
    if (result < ARCHIVE_WARN) {
      const char* text = archive_error_string(tar_.get());
      Fail(ErrorCode::kDataLoss, "{}: not a sound tar after byte {}: {}", file_.path(), end_, text ? text : "unknown");
    }
    return result;
  }
  // The end is marked by blocks of zeros: a tar that was cut between two members lacks them.
  void CheckEnd() const {
    constexpr uint64_t kBlockBytes = 512;
    const uint64_t end = (end_ + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    char block[kBlockBytes];
    if (end + kBlockBytes <= file_.size()) {
      file_.ReadAt(end, block, kBlockBytes);
      if (std::all_of(block, block + kBlockBytes, [](char byte) { return byte == 0; })) return;
    }
    Fail(ErrorCode::kDataLoss,
         "{}: cut short: no end of archive after byte {}; if nothing is missing, append 1024 zero bytes", file_.path(),
         end_);
  }

  InputFile file_;
  std::unique_ptr<archive, decltype(&archive_read_free)> tar_;
  uint64_t end_ = 0;  // of the last member's content
};

// Collects a sample's members, which follow each other, and adds the sample.
class SampleGrouper {
 public:
  SampleGrouper(const TarReader& reader, uint32_t file, TarSamples* samples)
      : reader_(reader), file_(file), samples_(samples) {}

  void Add(const Member& member) {
    const size_t slash = member.name.rfind('/');
    const size_t base = slash == std::string::npos ? 0 : slash + 1;
    const size_t dot = member.name.find('.', base);
    if (dot == std::string::npos || dot == base) return;  // no extension; hidden
    const std::string key = member.name.substr(0, dot);
    if (key != key_) Finish();
    key_ = key;
    const std::string_view extension = std::string_view(member.name).substr(dot);
    if (extension == ".cls") {
      label_ = ParseLabel(member);
    } else if (IsImageName(extension) && extension.rfind('.') == 0) {
      if (!image_.name.empty()) {
        Fail(ErrorCode::kInvalidArgument, "{}: two images of one sample: '{}' and '{}'", reader_.path(),
             Utf8Name(image_.name), Utf8Name(member.name));
      }
      image_ = member;
    } else {
      others_ += (others_.empty() ? "" : ", ") + Utf8Name(extension);
    }
  }

  void Finish() {
    if (image_.name.empty()) {
      if (label_ >= 0) {
        Fail(ErrorCode::kInvalidArgument,
             "{}: sample '{}' has a class but no .jpg, .jpeg or .png beside it (other members: {}); a sample's members "
             "must follow each other",
             reader_.path(), Utf8Name(key_), others_.empty() ? "none" : others_);
      }
    } else {
      AddSample();
    }
    image_ = {};
    label_ = -1;
    others_.clear();
  }

 private:
  void AddSample() {
    IndexColumns& columns = samples_->columns;
    const bool first = columns.num_samples() == 0;
    if (!first && (label_ >= 0) == columns.labels.empty()) {
      Fail(ErrorCode::kInvalidArgument, "{}: sample '{}' has {} .cls, unlike those before; give one to all or to none",
           reader_.path(), Utf8Name(key_), label_ >= 0 ? "a" : "no");
    }
    columns.AddName(image_.name);
    columns.sizes.push_back(image_.size);
    columns.offsets.push_back(image_.offset);
    columns.files.push_back(file_);
    if (label_ >= 0) columns.labels.push_back(static_cast<uint32_t>(label_));
    samples_->max_label = std::max(samples_->max_label, label_);
  }

  int64_t ParseLabel(const Member& member) const {
    constexpr uint64_t kMaxDigits = 32;
    int64_t label = -1;
    if (member.size <= kMaxDigits) {
      const std::string content = reader_.Content(member);
      const size_t end = content.find_last_not_of(" \r\n") + 1;
      const auto [next, error] = std::from_chars(content.data(), content.data() + end, label);
      if (error != std::errc() || next != content.data() + end) label = -1;
    }
    if (label < 0 || label >= int64_t{1} << 31) {
      Fail(ErrorCode::kInvalidArgument, "{}: '{}' holds no class number", reader_.path(), Utf8Name(member.name));
    }
    return label;
  }

  const TarReader& reader_;
  uint32_t file_;
  TarSamples* samples_;
  std::string key_;
  Member image_;
  int64_t label_ = -1;
  std::string others_;  // extensions that are not read
};

TarSamples ListTar(const std::string& path, uint32_t file) {
  TarSamples samples;
  TarReader reader(path);
  SampleGrouper grouper(reader, file, &samples);
  Member member;
  while (reader.Next(&member)) grouper.Add(member);
  grouper.Finish();
  return samples;
}

template <typename T>
void Append(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

}  // namespace

DatasetListing ListTars(const std::string& folder, const std::vector<IndexedFile>& files, unsigned num_threads) {
  std::vector<TarSamples> tars(files.size());
  const auto path_of = [&](uint64_t index) { return (std::filesystem::path(folder) / files[index].name).native(); };
  ParallelFor(files.size(), num_threads,
              [&](uint64_t index) { tars[index] = ListTar(path_of(index), static_cast<uint32_t>(index)); });
  DatasetListing listing;
  IndexColumns& all = listing.columns;
  for (uint64_t index = 0; index < tars.size(); ++index) {
    const IndexColumns& columns = tars[index].columns;
    if (columns.num_samples() > 0 && all.num_samples() > 0 && columns.labels.empty() != all.labels.empty()) {
      Fail(ErrorCode::kInvalidArgument, "{}: its samples have {} .cls, unlike those of the tars before", path_of(index),
           columns.labels.empty() ? "no" : "a");
    }
    for (uint64_t id = 0; id < columns.num_samples(); ++id) all.AddName(columns.Name(id));
    Append(columns.sizes, &all.sizes);
    Append(columns.offsets, &all.offsets);
    Append(columns.files, &all.files);
    Append(columns.labels, &all.labels);
    listing.num_classes = std::max(listing.num_classes, static_cast<uint32_t>(tars[index].max_label + 1));
    tars[index] = {};
  }
  if (all.num_samples() == 0) {
    Fail(ErrorCode::kInvalidArgument, "{}: no .jpg, .jpeg or .png in {} tar files", folder, files.size());
  }
  return listing;
}

}  // namespace decant
