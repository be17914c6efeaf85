#include "resize.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "resize_pass.h"

namespace decant {
namespace {

struct Scratch {
  Taps horizontal, vertical;
  std::vector<uint8_t> columns;  // of kLanes rows: [columns, kLanes]
  std::vector<uint8_t> resized;  // the same after the pass
  std::vector<uint8_t> rows;     // the picture between the passes
};

using Bytes = uint8_t __attribute__((vector_size(kLanes)));

// Transposes blocks of 16 x 16 bytes: out[i][j] = in[j][i]. Four rounds, each of which interleaves row i with row i
// + 8.
inline __attribute__((always_inline)) void TransposeBlock(Bytes (&block)[kLanes]) {
#pragma GCC unroll 4
  for (int round = 0; round < 4; ++round) {
    Bytes next[kLanes];
#pragma GCC unroll 8
    for (uint32_t i = 0; i < kLanes / 2; ++i) {
      const Bytes a = block[i], b = block[i + kLanes / 2];
      next[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      next[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    std::memcpy(block, next, sizeof(next));
  }
}

// [kLanes rows of `num` bytes] to [num, kLanes].
void RowsToColumns(const uint8_t* const (&rows)[kLanes], size_t num, uint8_t* columns) {
  Bytes block[kLanes];
  size_t i = 0;
  for (; i + kLanes <= num; i += kLanes) {
    for (uint32_t r = 0; r < kLanes; ++r) std::memcpy(&block[r], rows[r] + i, kLanes);
    TransposeBlock(block);
    std::memcpy(columns + i * kLanes, block, sizeof(block));
  }
  for (; i < num; ++i) {
    for (uint32_t r = 0; r < kLanes; ++r) columns[i * kLanes + r] = rows[r][i];
  }
}

// [num, kLanes] to the first `num_rows` rows, `stride` bytes apart. Writes up to a multiple of kLanes bytes of each.
void ColumnsToRows(const uint8_t* columns, size_t num, uint32_t num_rows, size_t stride, uint8_t* rows) {
  Bytes block[kLanes];
  for (size_t i = 0; i < num; i += kLanes) {
    std::memcpy(block, columns + i * kLanes, sizeof(block));
    TransposeBlock(block);
    for (uint32_t r = 0; r < num_rows; ++r) std::memcpy(rows + r * stride + i, &block[r], kLanes);
  }
}

size_t RoundUp(size_t size) {
  return (size + kLanes - 1) / kLanes * kLanes;
}

}  // namespace

void Resize(const ImageShape& shape, const uint8_t* image, const SourceBox& box, ResizeFilter filter, uint32_t height,
            uint32_t width, uint8_t* out) {
  static const ResizePass pass = FastestPass();
  thread_local Scratch scratch;
  Taps& horizontal = scratch.horizontal;
  Taps& vertical = scratch.vertical;
  ComputeTaps(shape.width, box.left, box.right, width, filter, &horizontal);
  ComputeTaps(shape.height, box.top, box.bottom, height, filter, &vertical);

  // Horizontally, for kLanes rows at a time, turned so that the rows are neighbours in memory.
  const size_t channels = shape.channels;
  const size_t in_bytes = size_t{shape.width} * channels;
  const size_t out_bytes = width * channels;
  const size_t stride = RoundUp(out_bytes);
  const uint32_t first_row = vertical.first(), num_rows = vertical.last() - first_row;
  const uint32_t first_column = horizontal.first();
  const size_t used_bytes = (horizontal.last() - first_column) * channels;
  scratch.columns.resize(RoundUp(used_bytes) * kLanes);
  scratch.resized.resize(stride * kLanes);
  scratch.rows.resize(num_rows * stride);
  for (uint32_t row = 0; row < num_rows; row += kLanes) {
    const uint8_t* rows[kLanes];
    for (uint32_t r = 0; r < kLanes; ++r) {
      const uint32_t y = first_row + std::min(row + r, num_rows - 1);
      rows[r] = image + y * in_bytes + first_column * channels;
    }
    RowsToColumns(rows, used_bytes, scratch.columns.data());
    pass(horizontal, scratch.columns.data(), channels * kLanes, channels, scratch.resized.data(), channels * kLanes);
    ColumnsToRows(scratch.resized.data(), out_bytes, std::min(kLanes, num_rows - row), stride,
                  &scratch.rows[row * stride]);
  }

  // Vertically; the last group of an output row may reach beyond it, into the row that is written next.
  scratch.columns.resize(height * out_bytes + kLanes);
  pass(vertical, scratch.rows.data(), stride, stride / kLanes, scratch.columns.data(), out_bytes);
  std::memcpy(out, scratch.columns.data(), height * out_bytes);
}

}  // namespace decant
