#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "decant/base/bytes.h"

namespace decant {

// A `.npy` file (format 1) with this header dictionary and these bytes of elements.
inline std::string MakeNpyWithHeader(const std::string& header, const std::string& elements) {
  ByteWriter writer;
  writer.PutBytes("\x93NUMPY");
  writer.Put(uint8_t{1});
  writer.Put(uint8_t{0});
  writer.Put(static_cast<uint16_t>(header.size()));
  writer.PutBytes(header);
  writer.PutBytes(elements);
  return writer.Take();
}

// As NumPy writes it. `shape`: "(3,)", "(2, 4, 4)".
inline std::string MakeNpy(const std::string& descr, const std::string& shape, const std::string& elements) {
  return MakeNpyWithHeader(fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}\n", descr, shape),
                           elements);
}

// Elements of a type, little-endian.
template <typename Int>
std::string Elements(const std::vector<Int>& values) {
  ByteWriter writer;
  for (const Int value : values) writer.Put(value);
  return writer.Take();
}

// Writes a zip file with these members.
inline void WriteZip(const std::string& path, const std::map<std::string, std::string>& members) {
  const std::unique_ptr<archive, decltype(&archive_write_free)> zip(archive_write_new(), archive_write_free);
  archive_write_set_format_zip(zip.get());
  archive_write_open_filename(zip.get(), path.c_str());
  for (const auto& [name, content] : members) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_write_header(zip.get(), entry.get());
    archive_write_data(zip.get(), content.data(), content.size());
  }
  archive_write_close(zip.get());
}

}  // namespace decant
