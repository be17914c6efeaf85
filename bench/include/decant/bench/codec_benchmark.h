#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace decant {

struct CodecBenchmarkOptions {
  std::string setting;              // one of CodecSettings(), or "all"; not looked at with a store
  std::string variant = "default";  // one of CodecVariants(): the generators' parameters
  uint64_t seed = 1;
  size_t num_labels = 0;  // 0: as many as the setting says
  std::string store;      // re-encodes the labels of this store instead
  double delta = 0;       // step of the codecs that have one; 0: the setting's or the store's
};

// What one codec makes of one setting. A figure that does not apply is empty.
struct CodecRow {
  std::string setting;
  std::string codec;
  std::optional<double> bytes_per_label;            // all bytes of the chunks, headers included
  std::optional<double> table_bytes;                // bytes kept once a store
  std::optional<double> kl_mean;                    // KL(teacher || decoded), the tail as one bucket, nats
  std::optional<double> kl_max;                     // the largest of a label
  std::optional<double> kl_bound;                   // the codec's guarantee
  std::optional<double> gradient_error;             // mean |p - decoded| / |p|
  std::optional<double> encode_entries_per_second;  // on one core
  std::optional<double> decode_entries_per_second;
  std::optional<double> variance;  // of an unbiased sampler: trace of the covariance of the soft target
  std::optional<double> entries_per_label;
  std::string note;
};

std::vector<std::string> CodecSettings();
std::vector<std::string> CodecVariants();

// Measures every codec on the labels that the options name. `progress` is told what is being done. kInvalidArgument
// for a setting or variant that is not there; what StoreReader throws.
std::vector<CodecRow> RunCodecBenchmark(const CodecBenchmarkOptions& options,
                                        const std::function<void(const std::string&)>& progress);

// One object, the fields of CodecRow by name; null where a figure does not apply.
nlohmann::ordered_json ToJson(const CodecRow& row);

}  // namespace decant
