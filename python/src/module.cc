#include "bindings.h"

namespace decant::python {
namespace {

// pybind11 before 2.12 does not know how NumPy 2 lays out an array's type: every element would be the first.
void CheckNumPy() {
#if PYBIND11_VERSION_HEX < 0x020C0000
  const auto version = py::module_::import("numpy").attr("__version__").cast<std::string>();
  if (std::stoi(version) >= 2) {
    throw py::import_error("decant was built with pybind11 " + std::to_string(PYBIND11_VERSION_MAJOR) + "." +
                           std::to_string(PYBIND11_VERSION_MINOR) + ", which needs NumPy 1; found NumPy " + version +
                           ". Build it with pybind11 2.12 or newer, or with pip");
  }
#endif
}

}  // namespace
}  // namespace decant::python

PYBIND11_MODULE(_decant, module) {
  using namespace decant::python;
  module.doc() = "The part of the package decant that is written in C++.";
  module.attr("__version__") = DECANT_VERSION;
  CheckNumPy();
  BindErrors();
  BindLabeller(module);
  BindLabels(module);
  BindStore(module);
  BindStream(module);
  BindViews(module);
}
