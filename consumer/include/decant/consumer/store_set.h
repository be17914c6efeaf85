#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "decant/data/order.h"
#include "decant/store/store_reader.h"

namespace decant {

// What several stores are to a student.
enum class Combine : uint8_t {
  kEpochs,    // their epochs one after the other: labels of the same samples and classes
  kTeachers,  // teachers that saw the same views, averaged: mean probabilities, with each teacher's own tail, spread
              // evenly, for the classes that its label does not list
};

// Stores that a student reads as one, at one temperature. Thread-safe but for Refresh(), see StoreReader.
class StoreSet {
 public:
  // At the first temperature of the store.
  explicit StoreSet(std::shared_ptr<StoreReader> store);
  // kMismatch, naming stores and fields, when they do not belong together, or when one has no labels at `temperature`.
  StoreSet(std::vector<std::shared_ptr<StoreReader>> stores, Combine combine, double temperature);

  uint32_t num_epochs() const;
  uint64_t num_samples() const { return layout().num_samples; }
  uint32_t num_classes() const { return stores_.front()->schema().codec.num_classes; }
  double temperature() const { return temperature_; }
  // Of samples and chunks; the epochs of the first store alone.
  const Layout& layout() const { return stores_.front()->schema().layout; }
  // The schema's digest of one store; of several one over theirs.
  const std::string& digest() const { return digest_; }

  // The store and its epoch in which an epoch of the set lies: with their views and order.
  struct Epoch {
    const StoreReader* store;
    uint32_t epoch;
    size_t index;  // of the store in the set
  };
  // kInvalidArgument when `epoch` is not below num_epochs().
  Epoch EpochOf(uint32_t epoch) const;
  // The order of an epoch's samples; kMismatch when this build does not know it.
  const Order& OrderOf(uint32_t epoch) const;
  // Whether every store has the chunk's labels, as of the last Refresh().
  bool IsLabelled(uint32_t epoch, uint64_t chunk) const;
  // Takes notice of what was committed since. For any thread.
  void Refresh();

  // Appends the labels of the samples [begin, end) of a chunk. Errors: StoreReader::ReadChunk(); kMismatch when
  // teachers did not see the same view.
  void ReadSamples(uint32_t epoch, uint64_t chunk, uint32_t begin, uint32_t end, LabelBatch* labels) const;
  // The same for the samples at these positions of an epoch, in any order.
  void ReadLabels(uint32_t epoch, std::span<const uint64_t> positions, LabelBatch* labels) const;

 private:
  template <typename Read>
  void ReadAll(uint32_t epoch, LabelBatch* labels, const Read& read) const;
  void MakeOrders();

  std::vector<std::shared_ptr<StoreReader>> stores_;
  Combine combine_;
  double temperature_;
  std::vector<size_t> temperature_index_;  // [stores]
  std::string digest_;
  std::vector<Order> orders_;  // of all epochs
  std::string unknown_order_;  // why there are none
  std::mutex refresh_;
};

// Appends the averages of the teachers' labels: their label i each are of one view. Entries by ascending id.
// kMismatch, with the label, for different views or windows.
void AppendAverages(const std::vector<LabelBatch>& teachers, uint32_t num_classes, LabelBatch* labels);

}  // namespace decant
