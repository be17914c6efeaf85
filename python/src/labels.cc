#include "labels.h"

#include <algorithm>

#include "decant/base/error.h"
#include "decant/consumer/densify.h"
#include "decant/consumer/stream.h"

#include "bindings.h"

namespace decant::python {
namespace {

using LabelsPointer = std::shared_ptr<Labels>;

template <typename T>
void DefineColumn(py::class_<Labels, LabelsPointer>& type, const char* name, std::vector<T> LabelBatch::*column) {
  type.def_property_readonly(
      name, [column](const py::object& self) { return ArrayOf(self.cast<Labels&>().batch.*column, self); });
}

size_t LongestLabel(const LabelBatch& labels) {
  size_t longest = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    longest = std::max<size_t>(longest, labels.offsets[i + 1] - labels.offsets[i]);
  }
  return longest;
}

py::tuple Padded(const Labels& self, std::optional<uint32_t> width) {
  const auto k = static_cast<uint32_t>(width ? *width : LongestLabel(self.batch));
  const std::vector<size_t> shape = {self.batch.size(), k};
  py::array_t<int64_t> ids(shape);
  py::array_t<float> log_probs(shape);
  {
    int64_t* const id_rows = ids.mutable_data();
    float* const log_prob_rows = log_probs.mutable_data();
    const py::gil_scoped_release release;
    PadLabels(self.batch, k, id_rows, log_prob_rows);
  }
  return py::make_tuple(std::move(ids), std::move(log_probs));
}

py::array_t<float> Dense(const Labels& self, uint32_t num_classes, const std::string& tail, unsigned threads) {
  const DensifyOptions options = {.num_classes = num_classes, .tail = ParseTailRule(tail), .threads = threads};
  py::array_t<float> out(std::vector<size_t>{self.batch.size(), DenseColumns(options)});
  const std::span<float> rows(out.mutable_data(), static_cast<size_t>(out.size()));
  const py::gil_scoped_release release;
  Densify(self.batch, options, std::as_writable_bytes(rows));
  return out;
}

py::tuple LabelAt(const py::object& object, py::ssize_t index) {
  auto& self = object.cast<Labels&>().batch;
  const auto size = static_cast<py::ssize_t>(self.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) throw py::index_error(fmt::format("label {} of {}", index, size));
  const size_t begin = self.offsets[index];
  const auto count = static_cast<py::ssize_t>(self.offsets[index + 1] - begin);
  return py::make_tuple(py::array_t<uint32_t>({count}, &self.ids[begin], object),
                        py::array_t<float>({count}, &self.log_probs[begin], object), self.tail_mass[index]);
}

}  // namespace

void BindLabels(py::module_& module) {
  py::class_<Labels, LabelsPointer> type(module, "Labels");
  type.def("__len__", [](const Labels& self) { return self.batch.size(); });
  type.def("__getitem__", &LabelAt, py::arg("index"));
  DefineColumn(type, "offsets", &LabelBatch::offsets);
  DefineColumn(type, "ids", &LabelBatch::ids);
  DefineColumn(type, "log_probs", &LabelBatch::log_probs);
  DefineColumn(type, "tail", &LabelBatch::tail_mass);
  DefineColumn(type, "true_log_probs", &LabelBatch::true_log_probs);
  DefineColumn(type, "logits", &LabelBatch::logits);
  DefineColumn(type, "log_sum_exp", &LabelBatch::log_sum_exp);
  DefineColumn(type, "window_offsets", &LabelBatch::window_offsets);
  DefineColumn(type, "window_hashes", &LabelBatch::window_hashes);
  DefineColumn(type, "view_fingerprints", &LabelBatch::view_fingerprints);
  type.def("padded", &Padded, py::arg("k") = py::none());
  type.def("dense", &Dense, py::arg("num_classes"), py::kw_only(), py::arg("tail") = "uniform", py::arg("threads") = 1);
}

}  // namespace decant::python
