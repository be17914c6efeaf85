#pragma once

#include <memory>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

namespace decant::python {

namespace py = pybind11;

// Each adds its part to the extension module.
void BindErrors();
void BindLabeller(py::module_& module);
void BindLabels(py::module_& module);
void BindStore(py::module_& module);
void BindStream(py::module_& module);
void BindViews(py::module_& module);

// A NumPy array of the vector's memory, which `owner` keeps alive.
template <typename T>
py::array_t<T> ArrayOf(std::vector<T>& values, const py::handle& owner) {
  return py::array_t<T>({static_cast<py::ssize_t>(values.size())}, values.data(), owner);
}

// A NumPy array that takes the vector's memory.
template <typename T>
py::array_t<T> ArrayFrom(std::vector<T>&& values) {
  auto* owned = new std::vector<T>(std::move(values));
  const py::capsule owner(owned, [](void* vector) { delete static_cast<std::vector<T>*>(vector); });
  return py::array_t<T>({static_cast<py::ssize_t>(owned->size())}, owned->data(), owner);
}

// What was opened in one process. In another one, after fork(), it must neither be used nor closed, and is left where
// it is.
template <typename T>
std::shared_ptr<T> BoundToProcess(std::unique_ptr<T> opened) {
  return std::shared_ptr<T>(opened.release(), [process = ::getpid()](T* value) {
    if (::getpid() == process) delete value;
  });
}

}  // namespace decant::python
