#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "decant/base/hash.h"
#include "decant/data/check_source.h"

#include "input_file.h"
#include "locate_dataset.h"

namespace decant {

// Adds `size` bytes of a file from `offset` on to a digest, piece by piece.
void AddBytes(const InputFile& file, uint64_t offset, uint64_t size, Xxh3Stream* digest,
              const ProgressFunction& progress = {});

// Adds kNumPieces evenly spaced pieces of the `size` bytes from `offset` on, the first and the last among them; all
// bytes where they are few. What stands for the content of a file that is too large to read.
void AddPieces(const InputFile& file, uint64_t offset, uint64_t size, Xxh3Stream* digest);
inline constexpr uint64_t kNumPieces = 64;
inline constexpr uint64_t kPieceBytes = 4096;

// The digest that an index of no samples records for `file`, or, where none fits, that of `size` bytes from `offset`
// on, which is then written to location.index. Hexadecimal.
std::string ContentDigestOf(const DatasetLocation& location, const InputFile& file, uint64_t offset, uint64_t size,
                            const ProgressFunction& progress);

}  // namespace decant
