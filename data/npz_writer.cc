#include "decant/data/npz_writer.h"

#include <cerrno>
#include <filesystem>

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/base/file.h"

namespace decant {
namespace {

// A `.npy` header of format 1, or 2 where it is long; the elements begin at a multiple of 64 bytes.
std::string NpyHeader(const std::string& descr, const std::vector<uint64_t>& shape) {
  std::string sizes;
  for (const uint64_t size : shape) sizes += fmt::format("{}, ", size);
  if (shape.size() > 1) sizes.resize(sizes.size() - 2);
  if (shape.size() == 1) sizes.resize(sizes.size() - 1);
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, sizes);
  constexpr size_t kPrefixBytes = 10;
  while ((kPrefixBytes + text.size() + 1) % 64 != 0) text.push_back(' ');
  text.push_back('\n');
  ByteWriter writer;
  writer.PutBytes("\x93NUMPY");
  writer.Put(uint8_t{1});
  writer.Put(uint8_t{0});
  writer.Put(static_cast<uint16_t>(text.size()));
  writer.PutBytes(text);
  return writer.Take();
}

}  // namespace

struct NpzWriter::Impl {
  explicit Impl(const std::string& a_path) : path(a_path), partial(a_path + ".partial") {}

  void Check(la_ssize_t result) const {
    if (result >= 0) return;
    const int error = archive_errno(zip.get());
    if (error > 0) FailErrno(error, "write", partial);
    const char* text = archive_error_string(zip.get());
    Fail(ErrorCode::kUnavailable, "cannot write {}: {}", partial, text ? text : "unknown error");
  }
  void Put(std::string_view bytes) {
    if (bytes.size() > left) Fail(ErrorCode::kInternal, "{}: more bytes than the array has", partial);
    left -= bytes.size();
    while (!bytes.empty()) {
      const la_ssize_t size = archive_write_data(zip.get(), bytes.data(), bytes.size());
      Check(size);
      bytes.remove_prefix(static_cast<size_t>(size));
    }
  }
  void End() const {
    if (left != 0) Fail(ErrorCode::kInternal, "{}: {} bytes of an array are missing", partial, left);
  }

  const std::string path;
  const std::string partial;
  std::unique_ptr<archive, decltype(&archive_write_free)> zip{archive_write_new(), archive_write_free};
  uint64_t left = 0;  // bytes of the array that is being written
};

NpzWriter::NpzWriter(const std::string& path) : impl_(std::make_unique<Impl>(path)) {
  archive* zip = impl_->zip.get();
  impl_->Check(archive_write_set_format_zip(zip));
  impl_->Check(archive_write_zip_set_compression_store(zip));
  impl_->Check(archive_write_open_filename(zip, impl_->partial.c_str()));
}

NpzWriter::~NpzWriter() {
  if (!impl_->zip) return;
  impl_->zip.reset();
  ::unlink(impl_->partial.c_str());
}

void NpzWriter::Begin(const std::string& name, const std::string& descr, const std::vector<uint64_t>& shape) {
  Impl& self = *impl_;
  self.End();
  const std::string header = NpyHeader(descr, shape);
  uint64_t size = std::stoull(descr.substr(2));
  for (const uint64_t axis : shape) size *= axis;
  size += header.size();
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), (name + ".npy").c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 315532800, 0);  // 1980: equal arrays give equal files
  self.Check(archive_write_header(self.zip.get(), entry.get()));
  self.left = size;
  self.Put(header);
}

void NpzWriter::Write(std::string_view bytes) {
  impl_->Put(bytes);
}

void NpzWriter::Finish() {
  Impl& self = *impl_;
  self.End();
  self.Check(archive_write_close(self.zip.get()));
  SyncFile(self.partial);
  std::error_code error;
  std::filesystem::rename(self.partial, self.path, error);
  if (error) FailErrno(error.value(), "rename to", self.path);
  SyncDirectory(std::filesystem::absolute(self.path).parent_path());
  self.zip.reset();
}

}  // namespace decant
