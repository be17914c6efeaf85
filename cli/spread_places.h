#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "decant/store/store_reader.h"

namespace decant {

// Positions by epoch.
using Places = std::map<uint32_t, std::vector<uint64_t>>;

// Places of about `num_labels` labels, evenly spread over the committed ones that are still there; of windows, places
// of as few. kNotFound when there are none.
Places SpreadPlaces(const StoreReader& store, uint64_t num_labels);

}  // namespace decant
