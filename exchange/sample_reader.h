#pragma once

#include <cstdint>

#include "decant/data/order.h"
#include "decant/store/store_reader.h"

namespace decant {

// Reads an epoch's labels in the order of the sample ids: whole chunks where that is the order of the positions, single
// labels otherwise.
class SampleReader {
 public:
  // `store` must outlive the reader.
  SampleReader(const StoreReader& store, uint32_t epoch);

  uint64_t num_blocks() const;
  // The labels of the samples of a block: so many consecutive ones as a chunk has.
  LabelCodes ReadBlock(uint64_t block) const;

 private:
  const StoreReader& store_;
  uint32_t epoch_;
  OrderSpec spec_;
  Order order_;
};

// kInvalidArgument unless the store has these epochs; kNotFound unless they are complete and have not expired.
void RequireEpochs(const StoreReader& store, uint32_t epoch_begin, uint32_t epoch_end);

}  // namespace decant
