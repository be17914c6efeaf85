#pragma once

#include "decant/store/schema.h"

#include "bindings.h"

namespace decant::python {

// Who is mixed into the view at a position, and how: (partner's sample id, own share, whether by cutmix, (left, top,
// width, height) in shares of the image). A view that is not mixed is its own partner.
py::tuple MixingAt(const Schema& schema, uint32_t epoch, uint64_t position);

}  // namespace decant::python
