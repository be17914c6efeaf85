#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "decant/store/store_reader.h"

namespace decant {

// What some of the store's labels are like (docs/cli.md). With `data`, the file that was labelled, also how often the
// likeliest class is the true one; `split` empty: as the store says. kMismatch, field by field, for another dataset.
nlohmann::ordered_json StatisticsJson(const StoreReader& store, const std::string& data, const std::string& split);
void PrintStatistics(const nlohmann::ordered_json& statistics);

}  // namespace decant
