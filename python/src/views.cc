#include "views.h"

#include "decant/base/error.h"
#include "decant/data/external_view.h"
#include "decant/data/open_source.h"
#include "decant/data/view_renderer.h"
#include "decant/store/schema.h"

#include "bindings.h"
#include "store.h"

namespace decant::python {
py::tuple MixingAt(const Schema& schema, uint32_t epoch, uint64_t position) {
  const Order order(OrderFromIdentity(schema.order), schema.seed, epoch, schema.layout.num_samples);
  const uint64_t sample_id = order.SampleAt(position);
  const Mixing mixing = DrawMixing(MixingFromIdentity(schema.views), schema.seed, epoch, sample_id);
  const uint64_t partner_position = position ^ 1;
  const bool mixed = mixing.mixed && partner_position < schema.layout.num_samples;
  const uint64_t partner = mixed ? order.SampleAt(partner_position) : sample_id;
  constexpr double kOne = RelativeBox::kOne;
  return py::make_tuple(partner, mixed ? mixing.own_share / 65536.0 : 1.0, mixed && mixing.cutmix,
                        py::make_tuple(mixing.cut_box.left / kOne, mixing.cut_box.top / kOne,
                                       mixing.cut_box.width / kOne, mixing.cut_box.height / kOne));
}

namespace {

py::tuple MixingOf(const Store& self, uint32_t epoch, uint64_t position) {
  const StoreSet::Epoch place = self.set->EpochOf(epoch);
  return MixingAt(place.store->schema(), place.epoch, position);
}

// Renders native views of a store.
class PythonViews {
 public:
  PythonViews(const Store& store, const std::string& data_json, std::optional<std::array<uint32_t, 2>> size)
      : store_(store) {
    const Schema& schema = store.readers.front()->schema();
    const auto data = nlohmann::json::parse(data_json);
    SourceOptions options;
    options.path = data.value("path", options.path);
    options.kind = data.value("kind", options.kind);
    options.split = data.value("split", options.split);
    options.labels = data.value("labels", options.labels);
    options.index = data.value("index", options.index);
    options.fingerprint = data.value("fingerprint", options.fingerprint);
    options.undecodable = data.value("undecodable", options.undecodable);
    options.channels = data.value("channels", options.channels);
    options.min_side = data.value("min_side", options.min_side);
    source_ = OpenImageSource(options);
    Schema found = schema;
    found.dataset = source_->Identity();
    for (const SchemaDifference& difference : CompareSchemas(schema, found)) {
      Fail(ErrorCode::kMismatch, "{} is not the dataset of {}: {}: expected {}, found {}", options.path,
           store.paths.front(), difference.field, difference.expected, difference.found);
    }
    const ViewSpec spec = ViewSpecFromIdentity(schema.views);
    renderer_.emplace(*source_, spec, OrderFromIdentity(schema.order), schema.seed, Shape(spec, size));
  }

  // The pixels and the view's fingerprint.
  py::tuple Render(uint64_t sample_id, uint32_t epoch) const {
    const auto shape = renderer_->shape();
    py::array_t<uint8_t> pixels(std::vector<size_t>{shape.height, shape.width, shape.channels});
    const uint16_t fingerprint = RenderTo(sample_id, epoch, pixels.mutable_data());
    return py::make_tuple(std::move(pixels), fingerprint);
  }

  uint32_t Class(uint64_t sample_id) const { return source_->Label(sample_id); }
  std::string Name(uint64_t sample_id) const { return source_->Name(sample_id); }
  uint64_t num_samples() const { return source_->num_samples(); }

 private:
  uint16_t RenderTo(uint64_t sample_id, uint32_t epoch, uint8_t* pixels) const {
    const py::gil_scoped_release release;
    const uint32_t view_epoch = store_.set->EpochOf(epoch).epoch;
    const Order order = renderer_->OrderOf(view_epoch);
    if (sample_id >= source_->num_samples()) {
      Fail(ErrorCode::kInvalidArgument, "there is no sample {}: the dataset has {} samples", sample_id,
           source_->num_samples());
    }
    return renderer_->Render(renderer_->ViewAt(order, view_epoch, order.PositionOf(sample_id)), view_epoch, pixels);
  }
  ImageShape Shape(const ViewSpec& spec, const std::optional<std::array<uint32_t, 2>>& size) const {
    const std::array<uint32_t, 2> wanted = size ? *size : spec.size;
    if (wanted[0] > 0) return {.height = wanted[0], .width = wanted[1], .channels = source_->channels()};
    if (source_->image_shape()) return *source_->image_shape();
    Fail(ErrorCode::kInvalidArgument, "the images have many sizes; give the size of the views: size=(height, width)");
  }

  Store store_;
  std::unique_ptr<ImageSource> source_;
  std::optional<ViewRenderer> renderer_;
};

}  // namespace

void BindViews(py::module_& module) {
  module.def("external_view_key", &ExternalViewKey, py::arg("seed"), py::arg("epoch"), py::arg("sample_id"));
  module.def("mixing_of", &MixingOf, py::arg("store"), py::arg("epoch"), py::arg("position"));
  py::class_<PythonViews>(module, "Views")
      .def(py::init<const Store&, const std::string&, std::optional<std::array<uint32_t, 2>>>(), py::arg("store"),
           py::arg("data_json"), py::arg("size"), py::call_guard<py::gil_scoped_release>())
      .def("render", &PythonViews::Render, py::arg("sample_id"), py::arg("epoch"))
      .def("true_class", &PythonViews::Class, py::arg("sample_id"))
      .def("name", &PythonViews::Name, py::arg("sample_id"))
      .def_property_readonly("num_samples", &PythonViews::num_samples);
}

}  // namespace decant::python
