#include "content_digest.h"

#include <algorithm>
#include <filesystem>

#include "index_builder.h"

namespace decant {

void AddBytes(const InputFile& file, uint64_t offset, uint64_t size, Xxh3Stream* digest,
              const ProgressFunction& progress) {
  constexpr uint64_t kBufferBytes = 4 << 20;
  std::vector<char> buffer(std::min(size, kBufferBytes));
  for (uint64_t done = 0; done < size;) {
    const uint64_t count = std::min<uint64_t>(size - done, buffer.size());
    file.ReadAt(offset + done, buffer.data(), count);
    digest->Update(buffer.data(), count);
    done += count;
    if (progress) progress(done, size);
  }
}

void AddPieces(const InputFile& file, uint64_t offset, uint64_t size, Xxh3Stream* digest) {
  if (size <= kNumPieces * kPieceBytes) return AddBytes(file, offset, size, digest);
  const uint64_t last = size - kPieceBytes;
  for (uint64_t piece = 0; piece < kNumPieces; ++piece) {
    const uint64_t whole = last / (kNumPieces - 1) * piece;
    const uint64_t rest = last % (kNumPieces - 1) * piece / (kNumPieces - 1);
    AddBytes(file, offset + whole + rest, kPieceBytes, digest);
  }
}

std::string ContentDigestOf(const DatasetLocation& location, const InputFile& file, uint64_t offset, uint64_t size,
                            const ProgressFunction& progress) {
  IndexMeta meta;
  meta.kind = DatasetKindName(location.kind);
  meta.files = {{.name = Utf8Name(std::filesystem::path(file.path()).filename().native()), .status = file.status()}};
  std::error_code ignored;
  if (std::filesystem::exists(location.index, ignored)) {
    const SampleIndex index(location.index);
    const IndexMeta& found = index.meta();
    if (found.kind == meta.kind && found.files == meta.files && !found.content_digest.empty()) {
      return found.content_digest;
    }
  }
  Xxh3Stream digest;
  AddBytes(file, offset, size, &digest, progress);
  meta.content_digest = Hex(digest.Digest());
  WriteSampleIndex(location.index, meta, IndexColumns());
  return meta.content_digest;
}

}  // namespace decant
