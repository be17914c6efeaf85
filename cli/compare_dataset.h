#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/data/source.h"
#include "decant/store/store_reader.h"

#include "spread_places.h"

namespace decant {

// Whether the labels of a store are those of a dataset's samples, by all that the two say of them.
struct DatasetComparison {
  enum class Outcome : uint8_t { kEqual, kDiffers, kUnknown };
  struct Aspect {
    std::string name;
    Outcome outcome;
    std::string text;  // what was found
  };
  std::vector<Aspect> aspects;

  // kDiffers when any aspect does; kEqual when one that tells samples apart is equal: dataset, names or tokens.
  Outcome verdict() const;
};

// Opens the dataset at `path` as the store's schema says that its own was opened, where `overrides`
// ("--data.key=value") say nothing else.
std::unique_ptr<Source> OpenDatasetOf(const StoreReader& store, const std::string& path,
                                      const std::vector<std::string>& overrides);

// Compares the number of samples, the dataset's identity, names, and at `places` the hashes of windows and the
// fingerprints of native views; those at as many as are read in less than a minute.
DatasetComparison CompareDataset(const StoreReader& store, const Source& source, const Places& places);

// For people, ending with the verdict; and as the members `verdict` and `aspects` of an object.
void PrintComparison(const DatasetComparison& comparison);
nlohmann::ordered_json ComparisonJson(const DatasetComparison& comparison);

}  // namespace decant
