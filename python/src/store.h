#pragma once

#include <memory>
#include <string>
#include <vector>

#include "decant/consumer/store_set.h"

namespace decant::python {

// What `decant._decant.Store` is: the stores of one process.
struct Store {
  std::vector<std::string> paths;
  std::vector<std::shared_ptr<StoreReader>> readers;
  std::shared_ptr<StoreSet> set;
};

}  // namespace decant::python
