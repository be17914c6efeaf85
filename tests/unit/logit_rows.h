#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace decant {

struct LogitRow {
  std::string kind;
  std::vector<float> logits;
};

// Rows that are easy to get wrong: tied, peaked, flat, sorted, clustered, at the ends of float32's range.
inline std::vector<LogitRow> AwkwardRows(size_t num_classes, uint32_t seed) {
  std::mt19937 bits(seed);
  const auto normal = [&] {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += bits() * 0x1p-32;
    return static_cast<float>(sum);
  };
  std::vector<LogitRow> rows;
  const auto add = [&](const char* kind, auto logit) {
    LogitRow row = {kind, std::vector<float>(num_classes)};
    for (size_t id = 0; id < num_classes; ++id) row.logits[id] = logit(id);
    rows.push_back(std::move(row));
  };
  constexpr float kLargest = std::numeric_limits<float>::max();
  constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
  add("random", [&](size_t) { return 3 * normal(); });
  add("all equal", [&](size_t) { return 2.5f; });
  add("all the lowest", [&](size_t) { return -kLargest; });
  add("many ties", [&](size_t) { return std::round(2 * normal()) / 2; });
  add("two values", [&](size_t) { return bits() % 8 == 0 ? 1.0f : -1.0f; });
  add("zeros of both signs", [&](size_t) { return bits() % 2 == 0 ? 0.0f : -0.0f; });
  add("one peak", [&](size_t id) { return id == num_classes / 2 ? 28.0f : normal(); });
  add("flat", [&](size_t) { return 1e-3f * normal(); });
  add("ascending", [&](size_t id) { return 0.01f * static_cast<float>(id); });
  add("descending", [&](size_t id) { return -0.01f * static_cast<float>(id); });
  add("large ones side by side", [&](size_t id) { return normal() + (id < num_classes / 8 ? 12.0f : 0.0f); });
  add("large ones 16 apart", [&](size_t id) { return normal() + (id % 16 == 3 ? 12.0f : 0.0f); });
  add("far from zero", [&](size_t) { return 1e4f + normal(); });
  add("far apart", [&](size_t) { return 1e30f * normal(); });
  add("both ends", [&](size_t) { return bits() % 2 == 0 ? kLargest : -kLargest; });
  add("denormal", [&](size_t) { return kDenormal * static_cast<float>(bits() % 100); });
  add("all below 0", [&](size_t) { return -50 + 4 * normal(); });
  return rows;
}

}  // namespace decant
