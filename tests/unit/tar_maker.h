#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

namespace decant {

using TarMembers = std::vector<std::pair<std::string, std::string>>;  // name, content

// Writes a tar with these members in this order. `format`: ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_GNUTAR,
// ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE.
inline void WriteTar(const std::string& path, const TarMembers& members, int format = ARCHIVE_FORMAT_TAR_USTAR,
                     bool gzip = false) {
  const std::unique_ptr<archive, decltype(&archive_write_free)> tar(archive_write_new(), archive_write_free);
  archive_write_set_format(tar.get(), format);
  if (gzip) archive_write_add_filter_gzip(tar.get());
  archive_write_set_bytes_in_last_block(tar.get(), 1);
  archive_write_open_filename(tar.get(), path.c_str());
  for (const auto& [name, content] : members) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), 1000000000, 123456789);  // pax records the nanoseconds in a header of its own
    archive_write_header(tar.get(), entry.get());
    archive_write_data(tar.get(), content.data(), content.size());
  }
  archive_write_close(tar.get());
}

}  // namespace decant
