#include "decant/consumer/store_set.h"

#include <algorithm>

#include "decant/base/error.h"
#include "decant/base/hash.h"

namespace decant {
namespace {

size_t TemperatureIndex(const StoreReader& store, double temperature) {
  const std::vector<double>& temperatures = store.schema().codec.temperatures;
  const auto found = std::find(temperatures.begin(), temperatures.end(), temperature);
  if (found != temperatures.end()) return static_cast<size_t>(found - temperatures.begin());
  Fail(
      ErrorCode::kMismatch,
      "{}: the labels hold at temperature {}, not at {}: a label cannot be tempered afterwards; use {}, or label again "
      "with labels.temperatures = [{}]",
      store.path(), fmt::join(temperatures, ", "), temperature, fmt::join(temperatures, " or "), temperature);
}

// What must be equal in stores that are read as one; `with_views`: what must be equal in labels of the same views.
nlohmann::json CommonPart(const Schema& schema, bool with_views) {
  nlohmann::json part = {{"dataset", schema.dataset},
                         {"num_samples", schema.layout.num_samples},
                         {"chunk_size", schema.layout.chunk_size},
                         {"num_classes", schema.codec.num_classes},
                         {"windows", schema.codec.windows}};
  if (!with_views) return part;
  part["num_epochs"] = schema.layout.num_epochs;
  part["views"] = schema.views;
  part["order"] = schema.order;
  part["seed"] = schema.seed;
  return part;
}

std::string SetDigest(const std::vector<std::shared_ptr<StoreReader>>& stores, Combine combine) {
  if (stores.size() == 1) return SchemaDigest(stores.front()->schema());
  std::string text = combine == Combine::kEpochs ? "epochs" : "teachers";
  for (const auto& store : stores) text += " " + SchemaDigest(store->schema());
  return Sha256Hex(text);
}

}  // namespace

StoreSet::StoreSet(std::shared_ptr<StoreReader> store) : combine_(Combine::kEpochs) {
  temperature_ = store->schema().codec.temperatures.front();
  stores_ = {std::move(store)};
  temperature_index_ = {0};
  digest_ = SetDigest(stores_, combine_);
  MakeOrders();
}

StoreSet::StoreSet(std::vector<std::shared_ptr<StoreReader>> stores, Combine combine, double temperature)
    : stores_(std::move(stores)), combine_(combine), temperature_(temperature) {
  if (stores_.empty()) Fail(ErrorCode::kInvalidArgument, "a set of no stores; expected at least one");
  const StoreReader& first = *stores_.front();
  const nlohmann::json expected = CommonPart(first.schema(), combine_ == Combine::kTeachers);
  for (const auto& store : stores_) {
    const nlohmann::json found = CommonPart(store->schema(), combine_ == Combine::kTeachers);
    for (const auto& [key, value] : expected.items()) {
      if (found.at(key) == value) continue;
      Fail(ErrorCode::kMismatch, "{} and {} are no set: {} expected {}, found {}", first.path(), store->path(), key,
           value.dump(), found.at(key).dump());
    }
    temperature_index_.push_back(TemperatureIndex(*store, temperature));
  }
  digest_ = SetDigest(stores_, combine_);
  MakeOrders();
}

// Those who read in the order of the chunks need none.
void StoreSet::MakeOrders() {
  try {
    for (const auto& store : stores_) {
      const Schema& schema = store->schema();
      const OrderSpec spec = OrderFromIdentity(schema.order);
      for (uint32_t epoch = 0; epoch < schema.layout.num_epochs; ++epoch) {
        orders_.emplace_back(spec, schema.seed, epoch, schema.layout.num_samples);
      }
    }
  } catch (const Error& error) {
    orders_.clear();
    unknown_order_ = error.what();
  }
}

const Order& StoreSet::OrderOf(uint32_t epoch) const {
  EpochOf(epoch);
  if (orders_.empty()) Fail(ErrorCode::kMismatch, "{}: {}", stores_.front()->path(), unknown_order_);
  return orders_[epoch];
}

uint32_t StoreSet::num_epochs() const {
  if (combine_ == Combine::kTeachers) return layout().num_epochs;
  uint32_t num_epochs = 0;
  for (const auto& store : stores_) num_epochs += store->schema().layout.num_epochs;
  return num_epochs;
}

StoreSet::Epoch StoreSet::EpochOf(uint32_t epoch) const {
  uint32_t in_store = epoch;
  for (size_t index = 0; index < stores_.size(); ++index) {
    const uint32_t num_epochs = stores_[index]->schema().layout.num_epochs;
    if (in_store < num_epochs) return {stores_[index].get(), in_store, index};
    if (combine_ == Combine::kTeachers) break;
    in_store -= num_epochs;
  }
  Fail(ErrorCode::kInvalidArgument, "{}: epoch {}, but there are {}", stores_.front()->path(), epoch, num_epochs());
}

bool StoreSet::IsLabelled(uint32_t epoch, uint64_t chunk) const {
  const Epoch place = EpochOf(epoch);
  if (combine_ == Combine::kEpochs) return place.store->IsLabelled(place.epoch, chunk);
  return std::ranges::all_of(stores_, [&](const auto& store) { return store->IsLabelled(epoch, chunk); });
}

void StoreSet::Refresh() {
  const std::lock_guard lock(refresh_);
  for (const auto& store : stores_) store->Refresh();
}

// `read(store, epoch, labels, temperature)` for every store that has labels of the epoch.
template <typename Read>
void StoreSet::ReadAll(uint32_t epoch, LabelBatch* labels, const Read& read) const {
  const Epoch place = EpochOf(epoch);
  if (combine_ == Combine::kEpochs || stores_.size() == 1) {
    read(*place.store, place.epoch, labels, temperature_index_[place.index]);
    return;
  }
  std::vector<LabelBatch> teachers(stores_.size());
  for (size_t i = 0; i < stores_.size(); ++i) read(*stores_[i], epoch, &teachers[i], temperature_index_[i]);
  AppendAverages(teachers, num_classes(), labels);
}

void StoreSet::ReadSamples(uint32_t epoch, uint64_t chunk, uint32_t begin, uint32_t end, LabelBatch* labels) const {
  const auto read = [&](const StoreReader& store, uint32_t in_store, LabelBatch* into, size_t temperature) {
    store.ReadSamples(in_store, chunk, begin, end, into, temperature);
  };
  try {
    ReadAll(epoch, labels, read);
  } catch (const Error& error) {
    if (stores_.size() == 1 || combine_ == Combine::kEpochs || error.code() != ErrorCode::kMismatch) throw;
    Fail(error.code(), "{} and others, epoch {}, chunk {} from sample {}: {}", stores_.front()->path(), epoch, chunk,
         begin, error.what());
  }
}

void StoreSet::ReadLabels(uint32_t epoch, std::span<const uint64_t> positions, LabelBatch* labels) const {
  ReadAll(epoch, labels, [&](const StoreReader& store, uint32_t in_store, LabelBatch* into, size_t temperature) {
    store.ReadLabels(in_store, positions, into, temperature);
  });
}

}  // namespace decant
