#include <chrono>
#include <cmath>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/data/external_view.h"
#include "decant/producer/batch_renderer.h"
#include "decant/producer/guest_labeller.h"
#include "decant/store/store_writer.h"

#include "bindings.h"
#include "job_dataset.h"
#include "views.h"

namespace decant::python {
namespace {

using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Ids = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;
using Integers = py::array_t<uint32_t, py::array::c_style | py::array::forcecast>;
using Fingerprints = py::array_t<uint16_t, py::array::c_style | py::array::forcecast>;
using Hashes = py::array_t<uint64_t, py::array::c_style | py::array::forcecast>;

template <typename T, int kFlags>
std::span<const T> SpanOf(const py::array_t<T, kFlags>& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

// A dataset that Python reads.
class ForeignSource : public Source {
 public:
  ForeignSource(uint64_t num_samples, nlohmann::json identity)
      : num_samples_(num_samples), identity_(std::move(identity)) {}
  uint64_t num_samples() const override { return num_samples_; }
  std::string Name(uint64_t) const override { return ""; }
  uint64_t ContentHash(uint64_t) const override { return 0; }
  nlohmann::json Identity() const override { return identity_; }

 private:
  uint64_t num_samples_;
  nlohmann::json identity_;
};

// What a labeller is told of its job. JSON texts are empty where Decant finds out by itself.
struct JobText {
  std::string path;
  std::vector<std::string> overrides;
  std::string dataset;       // identity of a dataset that Python reads; empty: [data]
  uint64_t num_samples = 0;  // of it
  std::string description;   // of external views; empty: native ones
  bool windows = false;      // the dataset that Python reads is of tokens
  std::string teacher;       // identity of a teacher that is no file; empty: [teacher]
  uint32_t num_classes = 0;
  std::string provenance;
};

// One span's labels, begun by a labeller.
struct PythonSpan {
  std::shared_ptr<GuestLabeller> labeller;
  SpanLabels labels;
};

class PythonLabeller {
 public:
  PythonLabeller(const JobText& text, const GuestOptions& options) : job_(ReadJob(text.path, text.overrides)) {
    if (text.dataset.empty()) {
      source_ = OpenJobSource(job_);
      job_ = WithViewsFrom(job_, *source_);
    } else {
      source_ = std::make_unique<ForeignSource>(text.num_samples, nlohmann::json::parse(text.dataset));
    }
    job_.Require("labels.store");
    Schema schema = MakeSchema(job_, *source_, text.num_classes, TeacherOf(text));
    schema.codec.windows = schema.codec.windows || text.windows;
    schema.views = ViewsOf(text);
    schema.provenance = nlohmann::json::parse(text.provenance);
    schema.provenance["job"] = job_.ToJson();
    schema.provenance["libraries"]["rocksdb"] = RocksDbVersion();
    labeller_ = BoundToProcess(std::make_unique<GuestLabeller>(job_.labels.store, schema, options));
  }

  GuestLabeller& get() const {
    if (!labeller_) Fail(ErrorCode::kInvalidArgument, "{}: this labeller is closed", job_.labels.store);
    return *labeller_;
  }
  void Close() { labeller_.reset(); }
  std::shared_ptr<PythonSpan> Claim() {
    std::optional<SpanLabels> labels = get().Claim();
    if (!labels) return nullptr;
    return std::make_shared<PythonSpan>(PythonSpan{labeller_, std::move(*labels)});
  }
  std::string schema_text() const { return SchemaText(get().schema()); }
  py::tuple MixingOf(uint32_t epoch, uint64_t position) const { return MixingAt(get().schema(), epoch, position); }
  std::string job_text() const { return job_.ToJson().dump(); }

  // Of the views at positions of an epoch: pixels [n, H, W, C] and fingerprints [n].
  py::tuple RenderImages(uint32_t epoch, const Hashes& positions) const {
    if (!views_) Fail(ErrorCode::kInvalidArgument, "the views of {} are not images of Decant's", job_.labels.store);
    const ImageShape& shape = views_->shape();
    std::array<TeacherBatch, 1> batch;
    {
      const py::gil_scoped_release release;
      renderer_->Render(epoch, SpanOf(positions), batch);
    }
    py::array_t<uint8_t> pixels = ArrayFrom(std::move(batch[0].images));
    return py::make_tuple(pixels.reshape({static_cast<py::ssize_t>(positions.size()), py::ssize_t{shape.height},
                                          py::ssize_t{shape.width}, py::ssize_t{shape.channels}}),
                          ArrayFrom(std::move(batch[0].fingerprints)), ClassesOf(batch[0]));
  }

  // Of windows of tokens at positions: for each, inputs, labelled positions, hash, fingerprint, true classes.
  py::list RenderTokens(uint32_t epoch, const Hashes& positions) const {
    if (!token_views_) Fail(ErrorCode::kInvalidArgument, "the samples of {} are not tokens", job_.labels.store);
    std::array<TeacherBatch, 1> batch;
    {
      const py::gil_scoped_release release;
      renderer_->Render(epoch, SpanOf(positions), batch);
    }
    py::list windows;
    for (size_t i = 0; i < batch[0].windows.size(); ++i) {
      TokenView& view = batch[0].windows[i];
      windows.append(py::make_tuple(ArrayFrom(std::move(view.inputs)), ArrayFrom(std::move(view.positions)), view.hash,
                                    view.fingerprint, ArrayFrom(std::move(batch[0].true_classes[i]))));
    }
    return windows;
  }

 private:
  nlohmann::json TeacherOf(const JobText& text) const {
    if (!text.teacher.empty()) return nlohmann::json::parse(text.teacher);
    job_.Require("teacher.path");
    const TeacherOptions& options = job_.teacher;
    std::vector<nlohmann::json> members;
    for (const std::string& path : options.path) {
      members.push_back({{"digest", "sha256:" + Sha256HexOfFile(path)},
                         {"kind", "torchscript"},
                         {"mean", options.mean},
                         {"std", options.std}});
    }
    TeacherInput input;
    if (const auto* images = dynamic_cast<const ImageSource*>(source_.get())) input.image = TeacherShape(job_, *images);
    if (const auto* tokens = dynamic_cast<const TokenSource*>(source_.get())) input.tokens = tokens->max_tokens();
    return TeacherIdentity(std::move(members), NormalisedWeights(options), options, input);
  }

  nlohmann::json ViewsOf(const JobText& text) {
    if (!text.description.empty()) return ExternalViewIdentity(text.description, job_.views);
    if (const auto* images = dynamic_cast<const ImageSource*>(source_.get())) {
      views_.emplace(MakeImageViews(job_, *images, TeacherShape(job_, *images)));
      renderer_ = MakeImageBatchRenderer(*views_);
      return views_->Identity()["views"];
    }
    if (const auto* tokens = dynamic_cast<const TokenSource*>(source_.get())) {
      token_views_.emplace(MakeTokenViews(job_, *tokens, text.num_classes));
      renderer_ = MakeTokenBatchRenderer(*token_views_);
      return token_views_->Identity()["views"];
    }
    return text.windows ? TokenViewIdentity({}) : nlohmann::json::object();
  }

  static py::array_t<uint32_t> ClassesOf(const TeacherBatch& batch) {
    std::vector<uint32_t> classes;
    for (const SelectedView& view : batch.views) classes.push_back(view.true_class);
    return ArrayFrom(std::move(classes));
  }

  Job job_;
  std::unique_ptr<Source> source_;
  std::optional<ViewRenderer> views_;
  std::optional<TokenViewer> token_views_;
  std::unique_ptr<BatchRenderer> renderer_;
  std::shared_ptr<GuestLabeller> labeller_;
};

void PutLogits(PythonSpan& span, const Floats& logits, const Integers& true_classes, const Fingerprints& fingerprints,
               const Integers& window_sizes, const Hashes& window_hashes, const Integers& token_positions) {
  const RowColumns columns = {.true_classes = SpanOf(true_classes),
                              .view_fingerprints = SpanOf(fingerprints),
                              .window_sizes = SpanOf(window_sizes),
                              .window_hashes = SpanOf(window_hashes),
                              .token_positions = SpanOf(token_positions)};
  const auto rows = SpanOf(logits);
  const py::gil_scoped_release release;
  span.labels.PutLogits(rows, columns);
}

// Rows of entries, of which those without probability are padding.
void PutLabels(PythonSpan& span, const Ids& ids, const Floats& log_probs, const Floats& tail,
               const Fingerprints& fingerprints, const Integers& window_sizes, const Hashes& window_hashes) {
  const size_t num_rows = static_cast<size_t>(tail.size());
  if (num_rows == 0 || ids.size() != log_probs.size() || ids.size() % tail.size() != 0) {
    Fail(ErrorCode::kInvalidArgument,
         "labels: expected ids [n, k], log_probs [n, k] and tail [n], found {}, {} and {} numbers", ids.size(),
         log_probs.size(), tail.size());
  }
  const size_t k = static_cast<size_t>(ids.size()) / num_rows;
  const int64_t* const id_rows = ids.data();
  const float* const log_prob_rows = log_probs.data();
  const float* const tails = tail.data();
  const py::gil_scoped_release release;
  LabelBatch labels;
  std::vector<uint32_t> row_ids;
  std::vector<float> row_log_probs;
  for (size_t row = 0; row < num_rows; ++row) {
    row_ids.clear();
    row_log_probs.clear();
    for (size_t i = row * k; i < (row + 1) * k; ++i) {
      if (std::isinf(log_prob_rows[i]) && log_prob_rows[i] < 0) continue;
      if (id_rows[i] < 0 || id_rows[i] > std::numeric_limits<uint32_t>::max()) {
        Fail(ErrorCode::kInvalidArgument, "labels: row {} lists class {}", row, id_rows[i]);
      }
      row_ids.push_back(static_cast<uint32_t>(id_rows[i]));
      row_log_probs.push_back(log_prob_rows[i]);
    }
    labels.Append(row_ids, row_log_probs, tails[row]);
  }
  for (const uint32_t size : SpanOf(window_sizes)) labels.window_offsets.push_back(labels.window_offsets.back() + size);
  labels.window_hashes.assign(window_hashes.data(), window_hashes.data() + window_hashes.size());
  labels.view_fingerprints.assign(fingerprints.data(), fingerprints.data() + fingerprints.size());
  span.labels.Put(labels);
}

}  // namespace

void BindLabeller(py::module_& module) {
  py::class_<PythonSpan, std::shared_ptr<PythonSpan>>(module, "Span")
      .def_property_readonly("epoch", [](const PythonSpan& self) { return self.labels.epoch(); })
      .def_property_readonly(
          "positions", [](const PythonSpan& self) { return ArrayFrom(std::vector<uint64_t>(self.labels.positions())); })
      .def_property_readonly(
          "sample_ids",
          [](const PythonSpan& self) { return ArrayFrom(std::vector<uint64_t>(self.labels.sample_ids())); })
      .def_property_readonly("num_put", [](const PythonSpan& self) { return self.labels.num_put(); })
      .def("put_logits", &PutLogits, py::arg("logits"), py::kw_only(), py::arg("true_classes"),
           py::arg("view_fingerprints"), py::arg("window_sizes"), py::arg("window_hashes"), py::arg("token_positions"))
      .def("put_labels", &PutLabels, py::arg("ids"), py::arg("log_probs"), py::arg("tail"), py::kw_only(),
           py::arg("view_fingerprints"), py::arg("window_sizes"), py::arg("window_hashes"))
      .def(
          "commit", [](PythonSpan& self) { self.labels.Commit(); }, py::call_guard<py::gil_scoped_release>());

  py::class_<PythonLabeller>(module, "Labeller")
      .def(py::init([](std::string job_path, std::vector<std::string> overrides, std::string dataset,
                       uint64_t num_samples, std::string description, bool windows, std::string teacher,
                       uint32_t num_classes, std::string provenance, double lease_seconds, std::string scratch) {
             const JobText text = {std::move(job_path),    std::move(overrides),
                                   std::move(dataset),     num_samples,
                                   std::move(description), windows,
                                   std::move(teacher),     num_classes,
                                   std::move(provenance)};
             const py::gil_scoped_release release;
             return std::make_unique<PythonLabeller>(
                 text, GuestOptions{.lease_seconds = lease_seconds, .scratch = std::move(scratch)});
           }),
           py::kw_only(), py::arg("job_path"), py::arg("overrides"), py::arg("dataset"), py::arg("num_samples"),
           py::arg("description"), py::arg("windows"), py::arg("teacher"), py::arg("num_classes"),
           py::arg("provenance"), py::arg("lease_seconds"), py::arg("scratch"))
      .def("claim", &PythonLabeller::Claim, py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("is_complete", [](const PythonLabeller& self) { return self.get().IsComplete(); })
      .def_property_readonly("schema_text", &PythonLabeller::schema_text)
      .def_property_readonly("job_text", &PythonLabeller::job_text)
      .def("mixing_of", &PythonLabeller::MixingOf, py::arg("epoch"), py::arg("position"))
      .def("render_images", &PythonLabeller::RenderImages, py::arg("epoch"), py::arg("positions"))
      .def("render_tokens", &PythonLabeller::RenderTokens, py::arg("epoch"), py::arg("positions"))
      .def("close", &PythonLabeller::Close, py::call_guard<py::gil_scoped_release>());

  module.def(
      "hash_tokens",
      [](const Integers& tokens) {
        return Xxh3({reinterpret_cast<const char*>(tokens.data()), static_cast<size_t>(tokens.nbytes())});
      },
      py::arg("tokens"));
}

}  // namespace decant::python
