#include "decant/consumer/stream.h"

#include "decant/base/error.h"

#include "bindings.h"
#include "labels.h"
#include "store.h"

namespace decant::python {
namespace {

// A batch in memory of its own.
struct Batch {
  StreamBatch batch;
  std::shared_ptr<Labels> labels;
};

// Streams of one process, and what they read.
struct PythonStream {
  std::shared_ptr<Store> store;
  std::shared_ptr<Stream> stream;
};

LastBatch ParseLastBatch(const std::string& name) {
  if (name == "short") return LastBatch::kShort;
  if (name == "drop") return LastBatch::kDrop;
  if (name == "pad") return LastBatch::kPad;
  Fail(ErrorCode::kInvalidArgument, "last_batch is '{}'; expected \"short\", \"drop\" or \"pad\"", name);
}

py::dict ToDict(const StreamState& state) {
  py::dict dict;
  dict["schema_digest"] = state.schema_digest;
  dict["epoch"] = state.epoch;
  dict["store_epoch"] = state.store_epoch;
  dict["position"] = state.position;
  return dict;
}

StreamState FromDict(const py::dict& dict) {
  try {
    return {.schema_digest = dict["schema_digest"].cast<std::string>(),
            .epoch = dict["epoch"].cast<uint32_t>(),
            .store_epoch = dict["store_epoch"].cast<uint32_t>(),
            .position = dict["position"].cast<uint64_t>()};
  } catch (const std::exception&) {  // a key that is not there, a type that does not fit
    Fail(ErrorCode::kInvalidArgument, "this is not the state of a stream: {}", py::repr(dict).cast<std::string>());
  }
}

std::unique_ptr<PythonStream> Start(std::shared_ptr<Store> store, uint32_t batch_size, uint32_t num_epochs,
                                    std::vector<uint32_t> epochs, const std::string& last_batch, uint32_t rank,
                                    uint32_t world_size, unsigned threads, uint32_t chunks_read_ahead,
                                    double wait_seconds, const std::optional<py::dict>& state) {
  const StreamOptions options = {.batch_size = batch_size,
                                 .num_epochs = num_epochs,
                                 .epochs = std::move(epochs),
                                 .last_batch = ParseLastBatch(last_batch),
                                 .rank = rank,
                                 .world_size = world_size,
                                 .threads = threads,
                                 .chunks_read_ahead = chunks_read_ahead,
                                 .wait_seconds = wait_seconds};
  std::optional<StreamState> start;
  if (state) start = FromDict(*state);
  const py::gil_scoped_release release;
  auto opened =
      start ? std::make_unique<Stream>(store->set, options, *start) : std::make_unique<Stream>(store->set, options);
  return std::make_unique<PythonStream>(PythonStream{std::move(store), BoundToProcess(std::move(opened))});
}

std::shared_ptr<Batch> Next(PythonStream& self) {
  auto next = std::make_shared<Batch>();
  {
    const py::gil_scoped_release release;
    if (!self.stream->Next(&next->batch)) next = nullptr;
  }
  if (!next) throw py::stop_iteration();
  next->labels = std::make_shared<Labels>();
  next->labels->batch = std::move(next->batch.labels);
  return next;
}

py::array_t<uint64_t> StorePositionsOf(const Store& store, std::vector<uint32_t> epochs, uint32_t epoch,
                                       const py::array_t<uint64_t, py::array::c_style | py::array::forcecast>& given) {
  const std::span<const uint64_t> positions(given.data(), static_cast<size_t>(given.size()));
  const std::vector<uint64_t> found = StorePositions(*store.set, {.epochs = std::move(epochs)}, epoch, positions);
  return py::array_t<uint64_t>(static_cast<py::ssize_t>(found.size()), found.data());
}

}  // namespace

void BindStream(py::module_& module) {
  py::class_<Batch, std::shared_ptr<Batch>>(module, "Batch")
      .def_property_readonly("epoch", [](const Batch& self) { return self.batch.epoch; })
      .def_property_readonly("store_epoch", [](const Batch& self) { return self.batch.store_epoch; })
      .def_property_readonly("position", [](const Batch& self) { return self.batch.position; })
      .def_property_readonly("global_size", [](const Batch& self) { return self.batch.global_size; })
      .def_property_readonly("positions",
                             [](const py::object& self) { return ArrayOf(self.cast<Batch&>().batch.positions, self); })
      .def_property_readonly("sample_ids",
                             [](const py::object& self) { return ArrayOf(self.cast<Batch&>().batch.sample_ids, self); })
      .def_readonly("labels", &Batch::labels)
      .def("__len__", [](const Batch& self) { return self.batch.sample_ids.size(); });
  module.def("store_positions", &StorePositionsOf, py::arg("store"), py::arg("epochs"), py::arg("epoch"),
             py::arg("positions"));
  py::class_<PythonStream>(module, "Stream")
      .def(py::init(&Start), py::arg("store"), py::kw_only(), py::arg("batch_size"), py::arg("num_epochs"),
           py::arg("epochs"), py::arg("last_batch"), py::arg("rank"), py::arg("world_size"), py::arg("threads"),
           py::arg("chunks_read_ahead"), py::arg("wait_seconds"), py::arg("state"))
      .def("__iter__", [](const py::object& self) { return self; })
      .def("__next__", &Next)
      .def("state", [](const PythonStream& self) { return ToDict(self.stream->state()); });
}

}  // namespace decant::python
