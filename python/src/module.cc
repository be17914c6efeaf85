#include "bindings.h"

PYBIND11_MODULE(_decant, module) {
  using namespace decant::python;
  module.doc() = "The part of the package decant that is written in C++.";
  module.attr("__version__") = DECANT_VERSION;
  BindErrors();
  BindLabeller(module);
  BindLabels(module);
  BindStore(module);
  BindStream(module);
  BindViews(module);
}
