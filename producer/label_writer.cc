#include "decant/producer/label_writer.h"

#include <algorithm>
#include <functional>

#include "decant/base/error.h"
#include "decant/store/store_writer.h"

#include "span_labels_impl.h"

namespace decant {
namespace {

StoreWriter::Calibrator LearnFrom(const Schema& schema, const LabelWriter::Calibration& calibration) {
  if (schema.calibration.num_labels == 0) return {};
  return [&schema, &calibration] {
    const LabelBatch labels = calibration ? calibration() : LabelBatch();
    if (labels.size() != schema.calibration.num_labels) {
      Fail(ErrorCode::kInvalidArgument, "the schema asks for {} calibration labels, found {}",
           schema.calibration.num_labels, labels.size());
    }
    return LearnTables(schema.codec, labels, schema.calibration.prior);
  };
}

}  // namespace

struct LabelWriter::Impl {
  Impl(const std::string& a_path, const Schema& schema, const Calibration& calibration)
      : path(a_path), store(path, schema, LearnFrom(schema, calibration)), tools(store.schema()) {
    store.Adopt();
  }

  const std::string path;
  StoreWriter store;
  SpanTools tools;
  uint64_t num_begun = 0;
};

LabelWriter::LabelWriter(const std::string& path, const Schema& schema, const Calibration& calibration)
    : impl_(std::make_unique<Impl>(path, schema, calibration)) {}
LabelWriter::~LabelWriter() = default;
LabelWriter::LabelWriter(LabelWriter&&) noexcept = default;
LabelWriter& LabelWriter::operator=(LabelWriter&&) noexcept = default;

const Schema& LabelWriter::schema() const {
  return impl_->store.schema();
}

std::vector<uint64_t> LabelWriter::MissingSpans() const {
  return impl_->store.MissingSpans();
}

std::vector<uint64_t> LabelWriter::SampleIds(uint64_t span_index) const {
  const Layout& layout = schema().layout;
  const Span span = layout.SpanAt(span_index);
  const Order order = impl_->tools.OrderOf(span.epoch);
  std::vector<uint64_t> ids;
  const uint64_t end = std::min(span.chunk_end * layout.chunk_size, layout.num_samples);
  for (uint64_t position = span.chunk_begin * layout.chunk_size; position < end; ++position) {
    ids.push_back(order.SampleAt(position));
  }
  return ids;
}

SpanLabels LabelWriter::Begin(uint64_t index) {
  const Span span = schema().layout.SpanAt(index);
  Impl& self = *impl_;
  const auto require_missing = [&self, index] {
    if (self.store.IsMissing(index)) return;
    Fail(ErrorCode::kInvalidArgument, "{}: span {} is committed already", self.path, index);
  };
  require_missing();
  const auto commit = [&self, require_missing](const std::function<SpanFile()>& finish) {
    require_missing();
    self.store.Commit({finish()});
  };
  return SpanLabels(std::make_unique<SpanLabels::Impl>(self.tools, span, FoldersOf(self.path),
                                                       fmt::format("writer-{}", self.num_begun++), commit));
}

std::string LabelWriter::Seal() {
  if (const auto missing = MissingSpans(); !missing.empty()) {
    Fail(ErrorCode::kInvalidArgument, "{}: {} spans are missing, the first is span {}", impl_->path, missing.size(),
         missing.front());
  }
  return impl_->store.Seal();
}

}  // namespace decant
