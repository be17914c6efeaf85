#include "store.h"

#include <algorithm>

#include "decant/base/error.h"
#include "decant/consumer/stream.h"
#include "decant/data/order.h"

#include "bindings.h"
#include "labels.h"

namespace decant::python {
namespace {

using Integers = py::array_t<uint64_t, py::array::c_style | py::array::forcecast>;

std::span<const uint64_t> SpanOf(const Integers& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

Combine ParseCombine(const std::string& name) {
  if (name == "epochs") return Combine::kEpochs;
  if (name == "teachers") return Combine::kTeachers;
  Fail(ErrorCode::kInvalidArgument, "combine is '{}'; expected \"epochs\" or \"teachers\"", name);
}

std::unique_ptr<Store> Open(std::vector<std::string> paths, const std::string& combine,
                            std::optional<double> temperature, size_t cache_bytes) {
  if (paths.empty()) Fail(ErrorCode::kInvalidArgument, "no store to open: give at least one path");
  const py::gil_scoped_release release;
  auto store = std::make_unique<Store>();
  for (const std::string& path : paths) {
    store->readers.push_back(
        BoundToProcess(std::make_unique<StoreReader>(path, ReaderOptions{.cache_bytes = cache_bytes})));
  }
  const double wanted = temperature ? *temperature : store->readers.front()->schema().codec.temperatures.front();
  store->set = std::make_shared<StoreSet>(store->readers, ParseCombine(combine), wanted);
  store->paths = std::move(paths);
  return store;
}

// The samples at positions, and the positions of samples.
template <typename Map>
py::array_t<uint64_t> MapIds(const Store& self, const Integers& values, const char* what, const Map& map) {
  py::array_t<uint64_t> mapped(std::vector<py::ssize_t>(values.shape(), values.shape() + values.ndim()));
  uint64_t* out = mapped.mutable_data();
  const auto in = SpanOf(values);
  const py::gil_scoped_release release;
  for (const uint64_t value : in) {
    if (value >= self.set->num_samples()) {
      Fail(ErrorCode::kInvalidArgument, "{}: there is no {} {}: {} samples", self.paths.front(), what, value,
           self.set->num_samples());
    }
    *out++ = map(value);
  }
  return mapped;
}

py::tuple OneLabel(const Store& self, uint32_t epoch, uint64_t sample_id) {
  thread_local LabelBatch labels;
  labels.Clear();
  ReadSample(*self.set, epoch, sample_id, &labels);
  if (labels.size() != 1) {
    Fail(ErrorCode::kInvalidArgument, "{}: sample {} is a window of {} labels; read it with labels_of()",
         self.paths.front(), sample_id, labels.size());
  }
  py::array_t<uint32_t> ids(static_cast<py::ssize_t>(labels.num_entries()));
  py::array_t<float> log_probs(static_cast<py::ssize_t>(labels.num_entries()));
  std::ranges::copy(labels.ids, ids.mutable_data());
  std::ranges::copy(labels.log_probs, log_probs.mutable_data());
  return py::make_tuple(std::move(ids), std::move(log_probs), labels.tail_mass[0]);
}

std::shared_ptr<Labels> LabelsOf(const Store& self, uint32_t epoch, const Integers& sample_ids) {
  const auto ids = SpanOf(sample_ids);
  const py::gil_scoped_release release;
  auto labels = std::make_shared<Labels>();
  labels->batch.Reserve(ids.size(), ids.size() * self.readers.front()->schema().codec.k);
  ReadSamples(*self.set, epoch, ids, &labels->batch);
  return labels;
}

py::object DigestOf(const Store& self) {
  if (self.readers.size() != 1) return py::none();
  const auto& digest = self.readers.front()->digest();
  return digest ? py::cast(*digest) : py::none();
}

std::vector<std::string> KeysOf(const Store& self) {
  const SampleKeys keys = self.readers.front()->ReadSampleKeys();
  std::vector<std::string> names;
  for (size_t i = 0; i < keys.size(); ++i) names.emplace_back(keys[i]);
  return names;
}

uint64_t CountCommitted(const Store& self) {
  uint64_t count = 0;
  for (const auto& reader : self.readers) count += reader->num_committed_spans();
  return count;
}

}  // namespace

void BindStore(py::module_& module) {
  py::class_<Store, std::shared_ptr<Store>> type(module, "Store");
  type.def(py::init(&Open), py::arg("paths"), py::arg("combine"), py::arg("temperature"), py::arg("cache_bytes"));
  type.def_readonly("paths", &Store::paths);
  type.def_property_readonly("schema_text", [](const Store& self) {
    const Schema& schema = self.readers.front()->schema();
    nlohmann::json object = nlohmann::json::parse(SchemaText(schema));
    object["provenance"] = schema.provenance;
    return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  });
  type.def_property_readonly("set_digest", [](const Store& self) { return self.set->digest(); });
  type.def_property_readonly("digest", &DigestOf);
  type.def_property_readonly("num_epochs", [](const Store& self) { return self.set->num_epochs(); });
  type.def_property_readonly("num_samples", [](const Store& self) { return self.set->num_samples(); });
  type.def_property_readonly("num_classes", [](const Store& self) { return self.set->num_classes(); });
  type.def_property_readonly("temperature", [](const Store& self) { return self.set->temperature(); });
  type.def_property_readonly("num_committed_spans", &CountCommitted);
  type.def("is_labelled", [](const Store& self, uint32_t epoch, uint64_t position) {
    return self.set->IsLabelled(epoch, position / self.set->layout().chunk_size);
  });
  type.def(
      "refresh", [](Store& self) { self.set->Refresh(); }, py::call_guard<py::gil_scoped_release>());
  type.def("epoch_in_store", [](const Store& self, uint32_t epoch) {
    const StoreSet::Epoch place = self.set->EpochOf(epoch);
    return py::make_tuple(place.index, place.epoch);
  });
  type.def("labels", &OneLabel, py::arg("epoch"), py::arg("sample_id"));
  type.def("labels_of", &LabelsOf, py::arg("epoch"), py::arg("sample_ids"));
  type.def("sample_ids", [](const Store& self, uint32_t epoch, const Integers& positions) {
    const Order& order = self.set->OrderOf(epoch);
    return MapIds(self, positions, "position", [&](uint64_t position) { return order.SampleAt(position); });
  });
  type.def("positions", [](const Store& self, uint32_t epoch, const Integers& sample_ids) {
    const Order& order = self.set->OrderOf(epoch);
    return MapIds(self, sample_ids, "sample", [&](uint64_t sample) { return order.PositionOf(sample); });
  });
  type.def("sample_keys", &KeysOf, py::call_guard<py::gil_scoped_release>());
}

}  // namespace decant::python
