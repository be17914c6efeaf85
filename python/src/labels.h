#pragma once

#include <memory>

#include "decant/store/soft_label.h"

namespace decant::python {

// What `decant.Labels` is. The arrays that Python has of it are its memory: it never changes.
struct Labels {
  LabelBatch batch;
};

}  // namespace decant::python
