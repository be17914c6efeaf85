#pragma once

#include <vector>

#include "decant/bench/codec_benchmark.h"
#include "decant/store/soft_label.h"

#include "label_codec.h"

namespace decant {

// Labels cut into chunks as a store would.
struct ChunkedLabels {
  std::vector<LabelBatch> chunks;
  size_t num_labels = 0;
  size_t num_entries = 0;

  ChunkedLabels(const LabelBatch& labels, size_t chunk_labels);
};

// Encodes and decodes all chunks with a calibrated codec. Rates are entries per second of processor time of this
// thread, the median of several passes over all chunks. `setting` stays empty.
CodecRow MeasureCodec(const ChunkedLabels& labels, uint32_t num_classes, LabelCodec* codec);

// log2 of the number of sets of `count` out of `num_classes` ids.
double IdSetBits(uint32_t num_classes, uint32_t count);

}  // namespace decant
